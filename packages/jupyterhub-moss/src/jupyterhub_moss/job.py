"""From a request to a job: the one path that form, link and REST API share.

`resolve_job` parses untrusted text into `UserOptions`, checks it against the partition and returns a
`Job`, the only thing that a job script is written from.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from pydantic import ValidationError

from jupyterhub_moss.environment import ChosenEnvironment, choose_environment
from jupyterhub_moss.errors import InvalidOptionsError, LimitError
from jupyterhub_moss.extra_options import parse_options
from jupyterhub_moss.grammar import memory_megabytes
from jupyterhub_moss.gres import GpuType
from jupyterhub_moss.models import UserOptions
from jupyterhub_moss.partitions import Limits, Partition, choose_partition
from jupyterhub_moss.problems import field_problem
from jupyterhub_moss.quoting import escaped_word
from jupyterhub_moss.timelimit import parse_timelimit, slurm_time

#: Computed here; a request that brings them is not believed.
SERVER_OWNED = frozenset({"gres", "prologue"})


class Job(NamedTuple):
    """A request that passed every check."""

    options: UserOptions
    partition: Partition
    environment: ChosenEnvironment

    def script_variables(self) -> dict[str, str | int]:
        """The options for the job script, also for a site's own; each fits its place without further quoting."""
        variables: dict[str, str | int] = self.options.model_dump()
        typed = ["root_dir", "default_url"]
        if not self.environment.configured:
            typed += ["environment_id", "environment_path"]
        variables |= {name: escaped_word(getattr(self.options, name)) for name in typed}
        if runtime := self.options.runtime:
            variables["runtime"] = slurm_time(parse_timelimit(runtime))
        return variables

    def accounting_directives(self) -> list[str]:
        """The options of sbatch for the account and QOS that were chosen."""
        names = ("account", "qos")
        return [f"--{name}={value}" for name in names if (value := getattr(self.options, name))]


def first_values(formdata: Mapping[str, Any]) -> dict[str, Any]:
    """The first value of each key of a form or a query, stripped; ``mem`` is another name of ``memory``."""
    values = {key: found[0] for key, found in formdata.items() if isinstance(found, list) and found}
    options = {key: value.strip() for key, value in values.items() if isinstance(value, str)}
    if "memory" not in options and "mem" in options:
        options["memory"] = options["mem"]
    return options


def parse_user_options(raw: Mapping[str, Any]) -> UserOptions:
    """The options in a request, each field checked alone; `InvalidOptionsError` names every bad field."""
    given = {key: value for key, value in raw.items() if key not in SERVER_OWNED and value is not None}
    # an empty field of a form means that nothing was chosen
    given = {key: value for key, value in given.items() if value != "" or key == "partition"}
    try:
        return UserOptions.model_validate(given)
    except ValidationError as error:
        raise InvalidOptionsError(map(field_problem, error.errors(include_url=False))) from None


def _check_limits(options: UserOptions, limits: Limits) -> GpuType:
    """The GPU to ask for; `LimitError` for what the partition cannot give."""
    where = f"on partition {options.partition!r}"
    if limits.max_nprocs is not None and options.nprocs > limits.max_nprocs:
        raise LimitError(f"{options.nprocs} CPUs were asked for, {where} at most {limits.max_nprocs} are possible")
    gpu = _chosen_gpu(options, limits)
    most = limits.max_ngpus if gpu.template == limits.gpu else gpu.number
    if most is not None and options.ngpus > most:
        raise LimitError(
            f"{options.ngpus} GPUs {gpu.kind}".rstrip() + f" were asked for, {where} at most {most} are possible"
        )
    if limits.max_mem is not None and options.memory and memory_megabytes(options.memory) > limits.max_mem:
        raise LimitError(f"{options.memory} of memory were asked for, {where} nodes have {limits.max_mem}M")
    if limits.max_runtime is not None and options.runtime:
        longest = timedelta.max.total_seconds() if limits.max_runtime >= _FOREVER else limits.max_runtime
        if parse_timelimit(options.runtime).total_seconds() > longest:
            allowed = slurm_time(timedelta(seconds=limits.max_runtime))
            raise LimitError(f"{options.runtime} is too long: {where} a job may run {allowed}")
    _check_fit(options, limits, gpu)
    return gpu


# seconds of timedelta.max, without the fraction that an integer limit lost
_FOREVER = int(timedelta.max.total_seconds()) - 1


def _extra_options(options: UserOptions, limits: Limits, allowed: Iterable[str]) -> str:
    # "--exclusive" at the front may be ours from an earlier round: stored options are validated again
    text = options.options.removeprefix("--exclusive ").removeprefix("--exclusive")
    try:
        extra = parse_options(text, allowed)
    except ValueError as error:
        raise InvalidOptionsError([f"options: {error}"]) from None
    exclusive = options.options != text or options.nprocs == limits.max_nprocs or options.memory == "0"
    return " ".join(("--exclusive", *extra) if exclusive and "--exclusive" not in extra else extra)


def _chosen_gpu(options: UserOptions, limits: Limits) -> GpuType:
    """The kind of GPU that was named, else the partition's first; none when no GPU was asked for."""
    if not options.ngpus:
        return GpuType("", 0)
    if not limits.gpus:
        raise LimitError(f"partition {options.partition!r} has no GPUs that can be asked for")
    for gpu in limits.gpus:
        if options.gpu_type in {"", gpu.kind}:
            return gpu
    known = ", ".join(gpu.kind or "without a name" for gpu in limits.gpus)
    raise LimitError(f"partition {options.partition!r} has no GPUs {options.gpu_type!r}; it has {known}")


def _check_fit(options: UserOptions, limits: Limits, gpu: GpuType) -> None:
    """Refuse what no kind of node has at once, though each number alone is possible: it would wait for ever."""
    memory = memory_megabytes(options.memory) if options.memory else 0
    asked = (options.nprocs, memory, gpu.template, options.ngpus)
    if limits.node_types and not limits.serving(*asked):
        wanted = [f"{options.nprocs} CPUs"]
        wanted += [f"{options.memory} of memory"] if memory else []
        wanted += [f"{options.ngpus} GPUs {gpu.kind}".rstrip()] if options.ngpus else []
        kinds = "; ".join(dict.fromkeys(map(str, limits.node_types)))
        raise LimitError(
            f"no node of partition {options.partition!r} has {' and '.join(wanted)} together; its nodes have: {kinds}"
        )


def _without_replaced(raw: Mapping[str, Any], partitions: Mapping[str, Partition]) -> Mapping[str, Any]:
    """Leave out path and modules beside a configured id: they are replaced, and stored ones may hold variables."""
    name, identifier = raw.get("partition"), raw.get("environment_id")
    if not (isinstance(name, str) and isinstance(identifier, str) and name in partitions):
        return raw
    if identifier not in partitions[name].environments:
        return raw
    return {key: value for key, value in raw.items() if key not in {"environment_path", "environment_modules"}}


def resolve_job(
    raw: Mapping[str, Any],
    partitions: Mapping[str, Partition],
    *,
    default_prologue: str,
    allowed_options: Iterable[str],
) -> Job:
    """Check a request from anywhere; a `SpawnRefused` says what was wrong with it."""
    options = parse_user_options(_without_replaced(raw, partitions))
    partition = choose_partition(partitions, options.partition)
    gpu = _check_limits(options, partition.limits)
    environment = choose_environment(options, partition.environments)
    computed = {
        "options": _extra_options(options, partition.limits, allowed_options),
        "gres": gpu.template.format(options.ngpus),
        "prologue": environment.script_prologue(default_prologue),
        "environment_id": environment.id,
        "environment_path": environment.path,
        "environment_modules": environment.modules,
    }
    return Job(options.model_copy(update=computed), partition, environment)
