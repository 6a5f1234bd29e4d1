"""Reading the output of `MOSlurmSpawner.slurm_info_cmd`.

sinfo prints one line for each partition and distinct set of GRES, in an order that follows the state of the
nodes, and several lines more with ``--exact``. The lines of a partition are therefore added up: no line wins.
"""

import logging
from collections.abc import Iterable
from typing import NamedTuple

from jupyterhub_moss.gres import GpuType, read_gpus
from jupyterhub_moss.models import PartitionAllResources
from jupyterhub_moss.timelimit import parse_slurm_time

FIELDS = ("partition", "nodes A/I/O/T", "CPUs", "CPUs A/I/O/T", "GRES", "memory", "time limit")
_FALLBACK_RUNTIME = 86400


class NodeGroup(NamedTuple):
    """One line: nodes of a partition that look alike."""

    partition: str
    nodes_idle: int
    nodes_total: int
    cpus: int
    cores_idle: int
    cores_total: int
    gpus: tuple[GpuType, ...]
    memory: int
    runtime: int


def _idle_and_total(text: str) -> tuple[int, int]:
    _allocated, idle, _other, total = text.split("/")
    return int(idle), int(total)


def _seconds(timelimit: str, log: logging.Logger) -> int:
    try:
        return int(parse_slurm_time(timelimit).total_seconds())
    except ValueError:
        log.warning("sinfo printed the time limit %r, which is not known; taking one day", timelimit)
        return _FALLBACK_RUNTIME


def _node_group(line: str, log: logging.Logger) -> NodeGroup:
    fields = line.split()
    if len(fields) != len(FIELDS):
        raise ValueError(f"slurm_info_cmd printed {len(fields)} fields instead of {len(FIELDS)} "
                         f"({', '.join(FIELDS)}) in the line {line!r}")  # fmt: skip
    partition, nodes, cpus, cores, gres, memory, timelimit = fields
    return NodeGroup(
        partition,
        *_idle_and_total(nodes),
        int(cpus.rstrip("+")),
        *_idle_and_total(cores),
        read_gpus(gres),
        int(memory.rstrip("+")),
        _seconds(timelimit, log),
    )


def _best_gpu(groups: Iterable[NodeGroup]) -> GpuType:
    """The kind of which one node has most, then that of the largest node: never that of the last line."""
    found = [
        (gpu.number, group.cpus, group.memory, gpu.template) for group in groups for gpu in group.gpus if gpu.number
    ]
    if not found:
        return GpuType("", 0)
    number, _cpus, _memory, template = max(found)
    return GpuType(template, number)


def _resources(groups: list[NodeGroup]) -> PartitionAllResources:
    gpu = _best_gpu(groups)
    return PartitionAllResources(
        max_nprocs=max(group.cpus for group in groups),
        max_mem=max(group.memory for group in groups),
        gpu=gpu.template,
        max_ngpus=gpu.number,
        max_runtime=max(group.runtime for group in groups),
        nnodes_total=sum(group.nodes_total for group in groups),
        nnodes_idle=sum(group.nodes_idle for group in groups),
        ncores_total=sum(group.cores_total for group in groups),
        ncores_idle=sum(group.cores_idle for group in groups),
    )


def read_partitions(output: str, log: logging.Logger) -> dict[str, PartitionAllResources]:
    """Each partition's resources; `ValueError` names the line that cannot be read."""
    partitions: dict[str, list[NodeGroup]] = {}
    for line in output.splitlines():
        if line.strip():
            group = _node_group(line, log)
            partitions.setdefault(group.partition, []).append(group)
    return {name: _resources(groups) for name, groups in partitions.items()}
