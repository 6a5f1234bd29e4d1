"""slurm.conf and gres.conf of a real Slurm, written from the mock's description of a cluster."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template

from mock_slurm.config import ClusterConfig, NodeSpec, PartitionSpec
from mock_slurm.quantities import UNLIMITED

__all__ = ["MIN_JOB_AGE", "Site", "write_configuration"]

MIN_JOB_AGE = 300
"""Seconds for which the controller knows a job that has ended; long, as a busy machine asks late."""


@dataclass(frozen=True)
class Site:
    """What is particular to one start: the folder, the controller's host name, and the ports."""

    folder: Path
    host: str
    munge_socket: Path
    controller_port: int
    node_ports: Mapping[str, int]
    jwt_key: Path | None = None
    """The key of JSON Web Tokens, where Slurm has the plugin that understands them."""


def write_configuration(cluster: ClusterConfig, site: Site) -> Path:
    """Write slurm.conf and what belongs to it below `site.folder`; returns slurm.conf's path."""
    (site.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n", encoding="utf-8")
    devices = [line for node in cluster.nodes.values() for line in _devices(node, site.folder / "dev")]
    (site.folder / "gres.conf").write_text("".join(devices), encoding="utf-8")
    path = site.folder / "slurm.conf"
    path.write_text("\n".join([_head(cluster, site), *_nodes(cluster, site), *_partitions(cluster), ""]), "utf-8")
    return path


def _head(cluster: ClusterConfig, site: Site) -> str:
    template = resources.files("pentad_services").joinpath("_real_slurm.conf.in").read_text("utf-8")
    return Template(template).substitute(
        cluster=cluster.cluster, host=site.host, port=site.controller_port, munge_socket=site.munge_socket,
        folder=site.folder, max_job_count=cluster.max_job_count, min_job_age=MIN_JOB_AGE,
        kill_wait=max(1, round(cluster.kill_wait)), tokens=_tokens(site.jwt_key),
    )  # fmt: skip


def _tokens(key: Path | None) -> str:
    return "" if key is None else f"AuthAltTypes=auth/jwt\nAuthAltParameters=jwt_key={key}"


def _devices(node: NodeSpec, folder: Path) -> Iterable[str]:
    """gres.conf's lines for a node. Its devices are copies of /dev/null: jobs get their numbers, nothing opens them."""
    first = 0
    for kind, count in node.gres_counts.items():
        name, _, model = kind.partition(":")
        files = [folder / node.name / f"{name}{number}" for number in range(first, first + count)]
        for file in files:
            file.parent.mkdir(parents=True, exist_ok=True)
            os.mknod(file, stat.S_IFCHR | 0o666, Path("/dev/null").stat().st_rdev)
        first += count
        paths = ",".join(map(str, files))
        yield f"NodeName={node.name} Name={name}{f' Type={model}' if model else ''} File={paths}\n"


def _nodes(cluster: ClusterConfig, site: Site) -> Iterable[str]:
    for node in cluster.nodes.values():
        fields: dict[str, object] = {
            "NodeName": node.name, "NodeAddr": "127.0.0.1",
            "Port": site.node_ports[node.name], "CPUs": node.cpus, "Sockets": node.sockets,
            "CoresPerSocket": node.cores_per_socket, "ThreadsPerCore": node.threads_per_core,
            "RealMemory": node.memory, "Feature": ",".join(node.features), "Gres": node.gres, "State": "UNKNOWN",
        }  # fmt: skip
        yield _line(fields)


def _partitions(cluster: ClusterConfig) -> Iterable[str]:
    return map(_partition, cluster.partitions.values())


def _partition(spec: PartitionSpec) -> str:
    return _line({
        "PartitionName": spec.name, "Nodes": ",".join(spec.nodes), "Default": _yes(spec.default),
        "MaxTime": _time(spec.max_time), "DefaultTime": "" if spec.default_time is None else _time(spec.default_time),
        "DefMemPerCPU": spec.def_mem_per_cpu, "State": spec.state, "Hidden": _yes(spec.hidden),
        "AllowGroups": ",".join(spec.allow_groups), "PriorityTier": spec.priority_tier,
        "PreemptMode": spec.preempt_mode,
    })  # fmt: skip


def _line(fields: Mapping[str, object]) -> str:
    return " ".join(f"{name}={value}" for name, value in fields.items() if value != "")


def _yes(value: bool) -> str:
    return "YES" if value else "NO"


def _time(minutes: int) -> str:
    return "INFINITE" if minutes == UNLIMITED else str(minutes)
