"""A job script as slurmrestd takes it: it reads no ``#SBATCH`` lines, so each of their options becomes a field.

An option that has no field here is refused: a job that silently lacks what its script asks for is worse.
"""

import math
import shlex
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from jupyterhub_moss.extra_options import WITHOUT_VALUE, name_and_value
from jupyterhub_moss.grammar import memory, memory_megabytes
from jupyterhub_moss.rest_client import RestError, speaks_structures
from jupyterhub_moss.timelimit import parse_slurm_time

Fields = dict[str, Any]
Field = Callable[[str], Fields]

# they change what sbatch prints or how the job's environment is made, which is done here
_NOT_OF_THE_JOB = frozenset({"parsable", "verbose", "quiet", "export", "get-user-env"})


def read_directives(script: str) -> dict[str, str | None]:
    """The options of the ``#SBATCH`` lines by long name; the last one of a name counts, as for sbatch."""
    options: dict[str, str | None] = {}
    for line in script.splitlines():
        if line.startswith("#SBATCH"):
            options |= _read_directive(line)
        elif line.strip() and not line.startswith("#"):
            break
    return options


def _read_directive(line: str) -> dict[str, str | None]:
    try:
        return dict(_options(iter(shlex.split(line.removeprefix("#SBATCH"), comments=True))))
    except ValueError as error:
        raise RestError(f"the directive {line!r} of the job script cannot be read: {error}") from None


def _options(words: Iterator[str]) -> Iterator[tuple[str, str | None]]:
    for word in words:
        name, value = name_and_value(word)
        yield name, next(words, None) if value is None and name not in WITHOUT_VALUE else value


def _text(field: str) -> Field:
    return lambda value: {field: value}


def _count(field: str) -> Field:
    return lambda value: {field: int(value)}


def _yes(field: str, value: Any = True) -> Field:
    return lambda _: {field: value}


#: Options that are the same in every version.
_ALWAYS: Mapping[str, Field] = {
    "account": _text("account"), "chdir": _text("current_working_directory"), "comment": _text("comment"),
    "constraint": _text("constraints"), "contiguous": _yes("contiguous"),
    "cores-per-socket": _count("cores_per_socket"),
    "cpus-per-task": _count("cpus_per_task"), "dependency": _text("dependency"), "error": _text("standard_error"),
    "hold": _yes("hold"), "input": _text("standard_input"), "job-name": _text("name"), "licenses": _text("licenses"),
    "mail-user": _text("mail_user"), "nice": _count("nice"), "ntasks": _count("tasks"),
    "ntasks-per-node": _count("tasks_per_node"), "output": _text("standard_output"), "partition": _text("partition"),
    "prefer": _text("prefer"), "qos": _text("qos"), "reservation": _text("reservation"),
    "sockets-per-node": _count("sockets_per_node"), "threads-per-core": _count("threads_per_core"),
    "wckey": _text("wckey"), "nodes": _text("nodes"),
}  # fmt: skip

#: Up to v0.0.38 slurmrestd reads values as sbatch does.
_AS_TEXT: Mapping[str, Field] = {
    "begin": _text("begin_time"), "deadline": _text("deadline"), "gpus": _text("gpus"), "gres": _text("gres"),
    "exclusive": lambda value: {"exclusive": value or "exclusive"}, "gpus-per-node": _text("gpus_per_node"),
    "mail-type": _text("mail_type"), "mem": _text("memory_per_node"), "mem-per-cpu": _text("memory_per_cpu"),
    "no-requeue": _yes("no_requeue"), "nodelist": _text("nodelist"), "oversubscribe": _yes("oversubscribe"),
    "requeue": _yes("requeue"), "spread-job": _yes("spread_job"), "time": _text("time_limit"),
    "time-min": _text("time_minimum"),
}  # fmt: skip


def _set(value: float) -> dict[str, Any]:
    return {"set": True, "infinite": False, "number": math.ceil(value)}


def _minutes(field: str) -> Field:
    def read(value: str) -> Fields:
        length = parse_slurm_time(value)
        return {field: _set(length.total_seconds() / 60) if length != timedelta.max else
                {"set": True, "infinite": True, "number": 0}}  # fmt: skip

    return read


def _megabytes(field: str) -> Field:
    return lambda value: {field: _set(memory_megabytes(memory(value)))}


def _generic_resources(field: str, prefix: str = "gres/") -> Field:
    return lambda value: {field: ",".join(f"{prefix}{each}" for each in value.split(","))}


#: Since v0.0.39 numbers say whether they are set.
_AS_STRUCTURES: Mapping[str, Field] = {
    "exclude": lambda value: {"excluded_nodes": [value]}, "gpus": _generic_resources("tres_per_job", "gres/gpu:"),
    "exclusive": lambda value: {"shared": [value or "none"]}, "gres": _generic_resources("tres_per_node"),
    "gpus-per-node": _generic_resources("tres_per_node", "gres/gpu:"), "mem": _megabytes("memory_per_node"),
    "mail-type": lambda value: {"mail_type": value.upper().split(",")}, "mem-per-cpu": _megabytes("memory_per_cpu"),
    "no-requeue": _yes("requeue", value=False), "nodelist": lambda value: {"required_nodes": [value]},
    "oversubscribe": _yes("shared", value=["oversubscribe"]), "requeue": _yes("requeue"),
    "time": _minutes("time_limit"), "time-min": _minutes("time_minimum"),
}  # fmt: skip


def job_description(script: str, environment: Mapping[str, str], version: str) -> Fields:
    """The body of a submission; `RestError` names an option of the script that slurmrestd would not be told."""
    options = read_directives(script)
    structures = speaks_structures(version)
    fields = {**_ALWAYS, **(_AS_STRUCTURES if structures else _AS_TEXT)}
    job: Fields = {}
    for name, value in options.items():
        if name not in _NOT_OF_THE_JOB:
            job |= _field(fields, name, value or "")
    variables = _environment(options, environment)
    if structures:
        job["environment"] = [f"{name}={value}" for name, value in variables.items()]
        return {"job": {**job, "script": script}}
    return {"job": {**job, "environment": variables}, "script": script}


def _field(fields: Mapping[str, Field], name: str, value: str) -> Fields:
    if name not in fields:
        raise RestError(f"the option --{name} cannot be given by way of slurmrestd; leave it out")
    try:
        return fields[name](value)
    except ValueError:
        raise RestError(f"{value!r} is no value for --{name}") from None


def _environment(options: Mapping[str, str | None], environment: Mapping[str, str]) -> dict[str, str]:
    """The job's variables, as sbatch's ``--export`` and ``--get-user-env`` choose them."""
    chosen: dict[str, str] = {}
    wanted = options.get("export") or "ALL"
    for word in wanted.split(","):
        name, assigned, value = word.partition("=")
        if assigned:
            chosen[name] = value
        elif word.upper() == "ALL":
            chosen |= environment
        elif name in environment:
            chosen[name] = environment[name]
    if "get-user-env" in options or wanted.upper() in {"NONE", "NIL"}:
        chosen["SLURM_GET_USER_ENV"] = "1"  # what sbatch sets to have the node add the user's own
    if cpus := options.get("cpus-per-task"):
        chosen["SLURM_CPUS_PER_TASK"] = cpus
    return chosen
