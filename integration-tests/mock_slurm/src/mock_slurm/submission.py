"""From sbatch's options to a request, or to the sentence sbatch prints instead."""

from __future__ import annotations

import dataclasses
import re
import signal
from collections.abc import Callable, Mapping

from .config import ClusterConfig, PartitionSpec
from .getopt import Parsed
from .hostlist import expand
from .identity import Caller
from .job import Request
from .quantities import InvalidQuantityError, parse_memory, parse_minutes, parse_moment

__all__ = ["Refusal", "check", "has_gres", "resolve"]

_CONDITION = r"(singleton|(after(any|burstbuffer|corr|notok|ok)?:)?[0-9]+(\+[0-9]+)?(:[0-9]+(\+[0-9]+)?)*)"
_DEPENDENCY = re.compile(rf"({_CONDITION}([,?]{_CONDITION})*)?")
_BAD_CONFIGURATION = "Requested node configuration is not available"


class Refusal(Exception):  # noqa: N818 - it is an answer, not a defect
    """A submission that fails: `lines` as sbatch prints them after `sbatch: error: `, and its exit code.

    `before` are lines in front of those that are printed as they are.
    """

    def __init__(self, *lines: str, code: int = 1, before: tuple[str, ...] = ()) -> None:
        super().__init__(lines[-1])
        self.lines = lines
        self.before = before
        self.code = code


def _rejected(reason: str, *before: str) -> Refusal:
    return Refusal(*before, f"Batch job submission failed: {reason}")


def resolve(options: Parsed, config: ClusterConfig, now: float) -> Request:
    """The request that these options make; raises `Refusal` for values sbatch itself refuses."""
    request = Request(requeue=config.job_requeue)
    for name, value in options.options:
        reader = _READERS.get(name)
        if reader is not None:
            _read(reader, request, name, value)
    for name in ("begin", "deadline"):
        moment = options.get(name)
        if moment is not None:
            setattr(request, name, _moment(name, moment, config, now))
    return request


def _read(reader: Callable[[Request, str], None], request: Request, name: str, value: str) -> None:
    try:
        reader(request, value)
    except (InvalidQuantityError, ValueError) as error:
        if name in {"gres", "gpus"}:
            raise Refusal("Invalid generic resource (gres) specification") from error
        if name in _NUMBERS:
            raise Refusal(f'Invalid numeric value "{value}" for --{name}.') from error
        raise Refusal(f"Invalid --{name} specification", code=255) from error


def _moment(name: str, text: str, config: ClusterConfig, now: float) -> float:
    try:
        return parse_moment(text, now, config.minute_seconds)
    except InvalidQuantityError as error:
        before = (f"Invalid time specification (pos=0): {text}",)
        raise Refusal(f"Invalid --{name} specification", code=255, before=before) from error


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise InvalidQuantityError(text)
    return int(text)


def _nodes(request: Request, value: str) -> None:
    least, dash, most = value.partition("-")
    if not all(part.isdigit() for part in ([least, most] if dash else [least])):
        raise Refusal(f'"{value}" is not a valid node count', code=255)
    request.min_nodes = _positive(least)
    if dash and _positive(most) < request.min_nodes:
        raise Refusal(f"Maximum node count {most} is less than minimum node count {least}", code=255)


def _tasks(request: Request, value: str) -> None:
    request.ntasks, request.ntasks_given = _positive(value), True


def _cpus(request: Request, value: str) -> None:
    request.cpus_per_task, request.cpus_given = _positive(value), True


def _gres(request: Request, value: str) -> None:
    items = [] if value.lower() in {"none", ""} else value.split(",")
    if any(item.split(":")[0].split("/")[0] != "gpu" or not _gres_shape(item) for item in items):
        raise InvalidQuantityError(value)
    request.gres = ",".join(items)


def _gres_shape(item: str) -> bool:
    fields = item.split(":")
    return 1 <= len(fields) <= 3 and (len(fields) < 3 or fields[2].isdigit()) and all(fields)


def _gpus(request: Request, value: str) -> None:
    _gres(request, ",".join(f"gpu:{item}" for item in value.split(",")))


def _signal(request: Request, value: str) -> None:
    text = value.removeprefix("B:")
    name, _, seconds = text.partition("@")
    number = int(name) if name.isdigit() else signal.Signals["SIG" + name.upper().removeprefix("SIG")].value
    request.warn_signal = (number, int(seconds or 60), value.startswith("B:"))


def _setter(field: str, convert: Callable[[str], object] = str) -> Callable[[Request, str], None]:
    return lambda request, value: setattr(request, field, convert(value))


_NUMBERS = ("cpus-per-task", "ntasks", "ntasks-per-node")
_READERS: Mapping[str, Callable[[Request, str], None]] = {
    "account": _setter("account"),
    "chdir": _setter("workdir"),
    "comment": _setter("comment"),
    "constraint": _setter("features"),
    "cpus-per-task": _cpus,
    "dependency": _setter("dependency"),
    "error": _setter("stderr"),
    "exclude": _setter("exclude", lambda text: tuple(expand(text))),
    "exclusive": _setter("exclusive", lambda _: True),
    "gpus": _gpus,
    "gpus-per-node": _gpus,
    "gres": _gres,
    "input": _setter("stdin"),
    "job-name": _setter("name"),
    "mem": _setter("memory", parse_memory),
    "mem-per-cpu": _setter("memory_per_cpu", parse_memory),
    "nice": _setter("nice", lambda text: int(text or 100)),
    "no-requeue": _setter("requeue", lambda _: False),
    "nodelist": _setter("nodelist", lambda text: tuple(expand(text))),
    "nodes": _nodes,
    "ntasks": _tasks,
    "ntasks-per-node": _setter("ntasks_per_node", _positive),
    "open-mode": _setter("append", lambda text: text.startswith("a")),
    "output": _setter("stdout"),
    "partition": _setter("partition"),
    "qos": _setter("qos"),
    "requeue": _setter("requeue", lambda _: True),
    "reservation": _setter("reservation"),
    "signal": _signal,
    "time": _setter("time_limit", parse_minutes),
}


def check(request: Request, given: Parsed, caller: Caller, config: ClusterConfig) -> Request:
    """The request with the cluster's defaults filled in; raises `Refusal` for what slurmctld refuses.

    Much is *not* refused, as on a cluster without EnforcePartLimits: a time above the partition's, more CPUs than any
    node has, a partition that is down, a QOS limit. Such a job pends with a reason that says so.
    """
    partition = _partition(request, config)
    account, qos = _association(request, caller, config)
    if request.reservation and request.reservation not in config.reservations:
        raise _rejected("Requested reservation is invalid")
    if not _DEPENDENCY.fullmatch(request.dependency):
        raise _rejected("Job dependency problem")
    for node in (*request.nodelist, *request.exclude):
        if node not in config.nodes:
            raise _rejected("Invalid node name specified")
    if partition.state in {"DRAIN", "INACTIVE"}:
        raise _rejected("Required partition not available (inactive or drain)")
    if partition.allow_groups and not caller.is_root and not set(partition.allow_groups) & set(caller.groups):
        raise _rejected("User's group not permitted to use this partition")
    _check_features(request, config)
    _check_nodes(request, partition, config)
    if "time" not in given:
        limit = partition.default_time if partition.default_time is not None else partition.max_time
        request = dataclasses.replace(request, time_limit=limit)
    return dataclasses.replace(request, partition=partition.name, account=account, qos=qos)


def _partition(request: Request, config: ClusterConfig) -> PartitionSpec:
    if not request.partition:
        default = next((spec for spec in config.partitions.values() if spec.default), None)
        if default is None:
            raise _rejected("No partition specified or system default partition")
        return default
    for name in request.partition.split(","):
        if name not in config.partitions:
            raise _rejected("Invalid partition name specified", f"invalid partition specified: {request.partition}")
    return config.partitions[request.partition.split(",")[0]]


def _association(request: Request, caller: Caller, config: ClusterConfig) -> tuple[str, str]:
    user = config.user(caller.name)
    account = request.account or (user.accounts[0] if user.accounts else "")
    if user.accounts and account not in user.accounts and not caller.is_root:
        raise _rejected("Invalid account or account/partition combination specified")
    if config.qos and (request.qos not in config.qos or (request.qos not in user.qos and not caller.is_root)):
        raise _rejected("Invalid qos specification")
    return account, request.qos


def _check_features(request: Request, config: ClusterConfig) -> None:
    known = {feature for node in config.nodes.values() for feature in node.features}
    wanted = request.features.replace("|", "&").split("&") if request.features else []
    if any(feature.strip() not in known for feature in wanted):
        raise _rejected("Invalid feature specification")


def _check_nodes(request: Request, partition: PartitionSpec, config: ClusterConfig) -> None:
    nodes = [config.nodes[name] for name in partition.nodes]
    if request.nodelist and not set(request.nodelist) <= set(partition.nodes):
        raise _rejected(_BAD_CONFIGURATION)
    if request.memory and all(node.memory < request.memory for node in nodes):
        raise _rejected(_BAD_CONFIGURATION, "Memory specification can not be satisfied")
    if request.gres and not any(has_gres(node.gres_counts, request.gres_counts) for node in nodes):
        raise _rejected(_BAD_CONFIGURATION)


def has_gres(available: Mapping[str, int], wanted: Mapping[str, int]) -> bool:
    """Whether typed (`gpu:A100`) and untyped (`gpu`) wishes can all be met."""
    for kind, count in wanted.items():
        matching = sum(n for name, n in available.items() if name == kind or name.startswith(f"{kind}:"))
        if matching < count:
            return False
    return True
