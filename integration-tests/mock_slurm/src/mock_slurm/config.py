"""The description of a cluster: nodes, partitions, users and timings."""

from __future__ import annotations

import dataclasses
import functools
import json
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from .hostlist import expand
from .quantities import UNLIMITED, parse_minutes

__all__ = ["ClusterConfig", "ConfigurationError", "NodeSpec", "PartitionSpec", "QosSpec", "UserSpec", "load_config"]


class ConfigurationError(ValueError):
    """A cluster description that cannot be used; the text names the entry and what is wrong with it."""


@dataclasses.dataclass(frozen=True)
class NodeSpec:
    """One node. `memory` is in MiB, `gres` is written as in slurm.conf (`gpu:A100:4,gpu:V100:2`)."""

    name: str
    cpus: int = 1
    memory: int = 1
    sockets: int = 1
    cores_per_socket: int = 1
    threads_per_core: int = 1
    gres: str = ""
    features: tuple[str, ...] = ()

    @functools.cached_property
    def gres_counts(self) -> dict[str, int]:
        """Generic resources as {"gpu:A100": 4}."""
        counts: dict[str, int] = {}
        for item in filter(None, self.gres.split(",")):
            kind, _, count = item.rpartition(":")
            counts[kind] = counts.get(kind, 0) + int(count)
        return counts


@dataclasses.dataclass(frozen=True)
class PartitionSpec:
    """One partition. Times are minutes (`UNLIMITED` = no limit), memory is MiB per CPU."""

    name: str
    nodes: tuple[str, ...]
    default: bool = False
    max_time: int = UNLIMITED
    default_time: int | None = None
    def_mem_per_cpu: int = 500
    state: str = "UP"
    hidden: bool = False
    allow_groups: tuple[str, ...] = ()
    priority_tier: int = 10
    preempt_mode: str = "OFF"


@dataclasses.dataclass(frozen=True)
class QosSpec:
    """One quality of service; a limit of None does not limit."""

    name: str
    max_cpus_per_job: int | None = None


@dataclasses.dataclass(frozen=True)
class UserSpec:
    """What Slurm knows of a user. Without `uid` and `groups` the system's account is asked."""

    name: str
    uid: int | None = None
    groups: tuple[str, ...] | None = None
    accounts: tuple[str, ...] = ()
    qos: tuple[str, ...] = ()
    operator: bool = False


@dataclasses.dataclass(frozen=True)
class ClusterConfig:
    """A whole cluster. All durations are seconds of this machine's clock.

    `minute_seconds` is how long one Slurm minute lasts: 60 is real time, 1 lets a job with `--time=2` time out
    after two seconds while every command still speaks of two minutes. `message_timeout` is how long a client
    waits for one answer, by default longer than any busy machine needs; squeue asks twice, as the real one does.
    """

    nodes: Mapping[str, NodeSpec]
    partitions: Mapping[str, PartitionSpec]
    qos: Mapping[str, QosSpec] = dataclasses.field(default_factory=dict)
    users: Mapping[str, UserSpec] = dataclasses.field(default_factory=dict)
    cluster: str = "testcl"
    reservations: tuple[str, ...] = ()
    version: str = "22.05.8"
    controller_host: str = "localhost"
    exec_host: str | None = None
    scheduling_interval: float = 0.05
    minute_seconds: float = 60.0
    over_time_limit: float = 0.0
    kill_wait: float = 2.0
    min_job_age: float = 60.0
    requeue_delay: float = 120.0
    prolog_seconds: float = 0.0
    prolog_exit_code: int = 0
    epilog_seconds: float = 0.0
    job_requeue: bool = True
    message_timeout: float = 60.0
    connect_timeout: float = 0.0
    max_job_count: int = 20000
    user_environment: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def user(self, name: str) -> UserSpec:
        """The entry of a user, or the one for everybody else."""
        if name in self.users:
            return self.users[name]
        return dataclasses.replace(self.users.get("*", UserSpec("*")), name=name)


def load_config(source: Mapping[str, Any] | Path | str | None = None) -> ClusterConfig:
    """The default cluster with the given entries over it.

    `source` is a mapping or the path of a TOML or JSON file. `nodes`, `partitions`, `qos` and `users` replace the
    default's as a whole. Raises `ConfigurationError` for anything that is not understood.
    """
    data = tomllib.loads(resources.files(__package__).joinpath("default.toml").read_text(encoding="utf-8"))
    given = _read(Path(source)) if isinstance(source, str | Path) else dict(source or {})
    if "nodes" in given and "partitions" not in given:
        raise ConfigurationError("`nodes` without `partitions`: the default partitions name other nodes; give both")
    return _build({**data, **given})


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        data = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: cannot be read as a cluster description: {error}") from error
    if not isinstance(data, dict):
        raise ConfigurationError(f"{path}: expected a table of settings, found {type(data).__name__}")
    return data


def _build(data: dict[str, Any]) -> ClusterConfig:
    known = {field.name for field in dataclasses.fields(ClusterConfig)}
    unknown = sorted(set(data) - known)
    if unknown:
        raise ConfigurationError(f"unknown setting {unknown[0]!r}; known are: {', '.join(sorted(known))}")
    nodes = {name: spec for entry in data["nodes"].items() for name, spec in _node(*entry).items()}
    partitions = {name: _partition(name, spec, nodes) for name, spec in data["partitions"].items()}
    tables = {
        "nodes": nodes,
        "partitions": partitions,
        "qos": {name: _spec(QosSpec, "qos", name, spec) for name, spec in data["qos"].items()},
        "users": {name: _spec(UserSpec, "users", name, spec) for name, spec in data["users"].items()},
        "reservations": tuple(data.get("reservations", ())),
    }
    return ClusterConfig(**{**data, **tables})


def _spec(kind: type[Any], table: str, name: str, data: Mapping[str, Any]) -> Any:
    known = {field.name for field in dataclasses.fields(kind)}
    for key in data:
        if key not in known:
            raise ConfigurationError(f"{table}.{name}: unknown key {key!r}; known are: {', '.join(sorted(known))}")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
    return kind(**{"name": name, **values})


def _node(name: str, data: Mapping[str, Any]) -> dict[str, NodeSpec]:
    return {host: _spec(NodeSpec, "nodes", host, data) for host in expand(name)}


def _partition(name: str, data: Mapping[str, Any], nodes: Mapping[str, NodeSpec]) -> PartitionSpec:
    values = dict(data)
    members = tuple(expand(values["nodes"])) if isinstance(values["nodes"], str) else tuple(values["nodes"])
    for member in members:
        if member not in nodes:
            raise ConfigurationError(f"partitions.{name}: node {member!r} is not described in `nodes`")
    for key in ("max_time", "default_time"):
        if isinstance(values.get(key), str):
            values[key] = parse_minutes(values[key])
    values["nodes"] = members
    spec: PartitionSpec = _spec(PartitionSpec, "partitions", name, values)
    return spec
