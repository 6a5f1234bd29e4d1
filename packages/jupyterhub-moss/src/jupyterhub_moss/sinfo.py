"""Reading the output of `MOSlurmSpawner.slurm_info_cmd`.

sinfo prints one line for each partition and distinct set of GRES, in an order that follows the state of the
nodes, and with ``--exact`` one for each kind of node. The lines of a partition are therefore added up: no line wins.
With two more fields, the GRES that jobs have of a node and the node's state, a line also tells how many GPUs are free.
"""

import logging
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from jupyterhub_moss.gres import GpuType, free_gpus, read_gpus
from jupyterhub_moss.models import PartitionNodes
from jupyterhub_moss.nodes import NodeType, gpu_kinds
from jupyterhub_moss.timelimit import parse_slurm_time

FIELDS = ("partition", "nodes A/I/O/T", "CPUs", "CPUs A/I/O/T", "GRES", "memory", "time limit")
FIELDS_WITH_USE = (*FIELDS, "GRES in use", "state")
# what sinfo adds to a state, as in idle~ of a node that is switched on when it is needed
_STATE_MARKS = "*~#!%$@^-+"
_TAKES_JOBS = frozenset({"idle", "mixed", "allocated", "completing", "planned"})
_LENGTHS = {len(FIELDS), len(FIELDS_WITH_USE)}
_FALLBACK_RUNTIME = 86400


class NodeGroup(NamedTuple):
    """Nodes of a partition that look alike, and how many of their CPUs are free."""

    nodes: NodeType
    cores_idle: int
    cores_total: int
    runtime: str

    def joined(self, other: "NodeGroup") -> "NodeGroup":
        """These nodes and others of the partition that look the same."""
        cores = (self.cores_idle + other.cores_idle, self.cores_total + other.cores_total)
        return NodeGroup(self.nodes.joined(other.nodes), *cores, self.runtime)


def _seconds(timelimit: str, log: logging.Logger) -> int:
    try:
        return int(parse_slurm_time(timelimit).total_seconds())
    except ValueError:
        log.warning("sinfo printed the time limit %r, which is not known; taking one day", timelimit)
        return _FALLBACK_RUNTIME


class _Lines(NamedTuple):
    """The A/I/O/T texts of lines that are alike in everything else."""

    nodes: list[str]
    cores: list[str]


def _alike(output: str) -> dict[tuple[str, ...], _Lines]:
    alike: dict[tuple[str, ...], _Lines] = {}
    # a command that prints a line for each node repeats itself: each distinct line is read once
    for line, times in Counter(output.splitlines()).items():
        fields = line.split()
        if not fields:
            continue
        if len(fields) not in _LENGTHS:
            raise ValueError(f"slurm_info_cmd printed {len(fields)} fields instead of {len(FIELDS)} "
                             f"({', '.join(FIELDS)}) in the line {line!r}")  # fmt: skip
        partition, nodes, cpus, cores, gres, memory, runtime, *use = fields
        key = (partition, cpus, memory, gres, runtime, *use)
        lines = alike.get(key)
        if lines is None:
            lines = alike[key] = _Lines([], [])
        lines.nodes.extend([nodes] * times)
        lines.cores.extend([cores] * times)
    return alike


def _sums(texts: list[str]) -> tuple[int, int, int]:
    """Idle, other and total, added up; joined first, as one split of a long text costs less than many of short ones."""
    numbers = [int(number) for number in "/".join(texts).split("/")]
    if len(numbers) != 4 * len(texts):
        raise ValueError(f"slurm_info_cmd printed something else than allocated/idle/other/total in {texts[0]!r}")
    return sum(numbers[1::4]), sum(numbers[2::4]), sum(numbers[3::4])


def _free(gpus: tuple[GpuType, ...], nodes: int, use: list[str]) -> tuple[GpuType, ...] | None:
    if not use:
        return None
    in_use, state = use
    return free_gpus(gpus, in_use, nodes if state.rstrip(_STATE_MARKS) in _TAKES_JOBS else 0)


def _node_groups(output: str) -> dict[str, list[NodeGroup]]:
    groups: dict[tuple[str, ...], NodeGroup] = {}
    for (partition, cpus, memory, gres, runtime, *use), lines in _alike(output).items():
        idle, offline, total = _sums(lines.nodes)
        cores_idle, _, cores_total = _sums(lines.cores)
        gpus = read_gpus(gres)
        free = _free(gpus, total, use)
        nodes = NodeType(int(cpus.rstrip("+")), int(memory.rstrip("+")), gpus, total, idle, offline, free)
        group = NodeGroup(nodes, cores_idle, cores_total, runtime)
        key = (partition, cpus, memory, gres, runtime)
        groups[key] = groups[key].joined(group) if key in groups else group
    partitions: dict[str, list[NodeGroup]] = {}
    for (partition, *_), group in groups.items():
        partitions.setdefault(partition, []).append(group)
    return partitions


def _largest_first(groups: Iterable[NodeGroup]) -> tuple[NodeType, ...]:
    # without gpus_free: that is either there or None
    return tuple(sorted((group.nodes for group in groups), key=lambda nodes: nodes[:-1], reverse=True))


def partition_resources(groups: list[NodeGroup], log: logging.Logger) -> PartitionNodes:
    """A partition of these nodes, added up."""
    kinds = _largest_first(groups)
    gpu = next(iter(gpu_kinds(kinds)), GpuType("", 0))
    return PartitionNodes(
        max_nprocs=max(nodes.cpus for nodes in kinds),
        max_mem=max(nodes.memory for nodes in kinds),
        gpu=gpu.template,
        max_ngpus=gpu.number,
        max_runtime=max(_seconds(runtime, log) for runtime in {group.runtime for group in groups}),
        nnodes_total=sum(nodes.total for nodes in kinds),
        nnodes_idle=sum(nodes.idle for nodes in kinds),
        ncores_total=sum(group.cores_total for group in groups),
        ncores_idle=sum(group.cores_idle for group in groups),
        node_types=kinds,
    )


def read_partitions(output: str, log: logging.Logger) -> dict[str, PartitionNodes]:
    """Each partition's resources; `ValueError` names the line that cannot be read."""
    return {name: partition_resources(groups, log) for name, groups in _node_groups(output).items()}
