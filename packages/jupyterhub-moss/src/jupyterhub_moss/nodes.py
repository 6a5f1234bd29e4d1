"""Kinds of nodes, and which of them a job fits on.

A partition's largest numbers say little: one kind of node may have the most CPUs and another the most memory. A request
is possible if one kind has all of it.
"""

from collections.abc import Iterable
from typing import NamedTuple

from jupyterhub_moss.gres import GpuType, added_up


class NodeType(NamedTuple):
    """Nodes of a partition with the same CPUs, memory and GPUs."""

    cpus: int
    memory: int
    """Megabytes."""
    gpus: tuple[GpuType, ...] = ()
    total: int = 0
    """How many nodes there are; `idle` of them run nothing, `offline` ones are drained, down or reserved."""
    idle: int = 0
    offline: int = 0
    gpus_free: tuple[GpuType, ...] | None = None
    """GPUs that no job has, on all these nodes together as far as they take jobs; None where Slurm did not tell."""

    def joined(self, other: "NodeType") -> "NodeType":
        """These nodes and others that look the same."""
        free = None if self.gpus_free is None or other.gpus_free is None else added_up(self.gpus_free + other.gpus_free)
        return self._replace(
            total=self.total + other.total,
            idle=self.idle + other.idle,
            offline=self.offline + other.offline,
            gpus_free=free,
        )

    def gpus_of(self, template: str) -> int:
        """How many GPUs of a node the ``--gres`` template can get; one without a kind gets any."""
        if template == "gpu:{}":
            return sum(gpu.number for gpu in self.gpus)
        return sum(gpu.number for gpu in self.gpus if gpu.template == template)

    def has(self, cpus: int, memory: float, template: str, gpus: int) -> bool:
        """Whether one such node has all of this; `memory` in megabytes."""
        return cpus <= self.cpus and memory <= self.memory and (not gpus or gpus <= self.gpus_of(template))

    def __str__(self) -> str:
        gpus = "".join(f", {gpu.number} GPUs {gpu.kind}".rstrip() for gpu in self.gpus)
        return f"{self.cpus} CPUs, {self.memory} MB{gpus}"


def gpu_kinds(node_types: Iterable[NodeType]) -> tuple[GpuType, ...]:
    """Every kind of GPU with the most that one node has of it; first what there is most of, on the largest node."""
    ranked = sorted(
        ((gpu.number, node.cpus, node.memory, gpu.template) for node in node_types for gpu in node.gpus if gpu.number),
        reverse=True,
    )
    most: dict[str, int] = {}
    for number, _cpus, _memory, template in ranked:
        most.setdefault(template, number)
    return tuple(GpuType(template, number) for template, number in most.items())
