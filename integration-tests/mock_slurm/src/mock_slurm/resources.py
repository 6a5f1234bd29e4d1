"""What each node has, what is taken of it, and how a job would be laid out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from .config import ClusterConfig, NodeSpec
from .job import Job, Request

__all__ = ["Layout", "Node", "place"]


@dataclasses.dataclass
class Node:
    """A node and its current use. `mark` is what an administrator made of it: "", "DRAIN" or "DOWN"."""

    spec: NodeSpec
    mark: str = ""
    reason: str = ""
    reason_by: str = ""
    reason_at: float | None = None
    cpus: dict[int, int] = dataclasses.field(default_factory=dict)
    memory: dict[int, int] = dataclasses.field(default_factory=dict)
    gres: dict[int, dict[str, list[int]]] = dataclasses.field(default_factory=dict)
    exclusive: int | None = None

    @property
    def cpus_allocated(self) -> int:
        """CPUs in use."""
        return sum(self.cpus.values())

    @property
    def memory_allocated(self) -> int:
        """MiB in use."""
        return sum(self.memory.values())

    @property
    def usable(self) -> bool:
        """Whether jobs may start here."""
        return not self.mark

    def gres_used(self) -> dict[str, list[int]]:
        """Indices in use of every kind."""
        used: dict[str, list[int]] = {kind: [] for kind in self.spec.gres_counts}
        for share in self.gres.values():
            for kind, indices in share.items():
                used[kind] = sorted([*used[kind], *indices])
        return used

    def take(self, job: Job) -> None:
        """Give this job its share, as written in the job."""
        name = self.spec.name
        self.cpus[job.id] = job.allocation[name]
        self.memory[job.id] = job.memory.get(name, 0)
        self.gres[job.id] = job.gres.get(name, {})

    def release(self, job_id: int) -> None:
        """Take back what this job had."""
        for table in (self.cpus, self.memory, self.gres):
            table.pop(job_id, None)

    def without(self, job_ids: Iterable[int]) -> Node:
        """This node as it would be after these jobs."""
        gone = set(job_ids)
        return dataclasses.replace(
            self,
            cpus={key: value for key, value in self.cpus.items() if key not in gone},
            memory={key: value for key, value in self.memory.items() if key not in gone},
            gres={key: value for key, value in self.gres.items() if key not in gone},
        )

    @property
    def state(self) -> str:
        """The state in sinfo's long words."""
        if self.mark == "DOWN":
            return "down"
        busy = self.cpus_allocated
        if self.mark == "DRAIN":
            return "draining" if busy else "drained"
        if not busy:
            return "idle"
        return "allocated" if busy >= self.spec.cpus else "mixed"


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where a job would run: CPUs, MiB and generic resources by node."""

    cpus: dict[str, int]
    memory: dict[str, int]
    gres: dict[str, dict[str, list[int]]]


def place(request: Request, nodes: Iterable[Node], config: ClusterConfig) -> Layout | None:
    """The first layout that fits on these nodes as they are, or None."""
    layout = Layout({}, {}, {})
    left = request.ntasks
    for node in nodes:
        if left <= 0 and len(layout.cpus) >= request.min_nodes and not _more_required(request, layout):
            break
        left -= _place_on(request, node, left, config, layout)
    if left > 0 or len(layout.cpus) < request.min_nodes or _more_required(request, layout):
        return None
    return layout


def _more_required(request: Request, layout: Layout) -> bool:
    return not set(request.nodelist) <= set(layout.cpus)


def _place_on(request: Request, node: Node, left: int, config: ClusterConfig, layout: Layout) -> int:
    """Put as many of the tasks left on this node as fit; how many that were."""
    spec = node.spec
    if request.exclusive and node.cpus:
        return 0
    gres = _pick_gres(node, request.gres_counts)
    if gres is None:
        return 0
    tasks = _tasks_that_fit(request, node, left, config)
    if tasks == 0:
        return 0
    cpus = _whole_cores(tasks * request.cpus_per_task, spec)
    cpus = spec.cpus if request.exclusive else min(cpus, spec.cpus)
    layout.cpus[spec.name] = cpus
    layout.memory[spec.name] = memory_needed(request, cpus, spec, config)
    if gres:
        layout.gres[spec.name] = gres
    return tasks


def _whole_cores(cpus: int, spec: NodeSpec) -> int:
    return -(-cpus // spec.threads_per_core) * spec.threads_per_core


def memory_needed(request: Request, cpus: int, spec: NodeSpec, config: ClusterConfig) -> int:
    """MiB that a job takes on a node where it has this many CPUs; `--mem=0` takes all of it."""
    if request.memory is not None:
        return request.memory or spec.memory
    per_cpu = request.memory_per_cpu
    if per_cpu is None:
        per_cpu = config.partitions[request.partition].def_mem_per_cpu
    return min(per_cpu * cpus, spec.memory) if request.exclusive else per_cpu * cpus


def _tasks_that_fit(request: Request, node: Node, left: int, config: ClusterConfig) -> int:
    limit = min(left, request.ntasks_per_node or left) if left > 0 else 1
    # A minimum of nodes spreads the tasks, so that none of the nodes asked for stays without one.
    limit = min(limit, max(1, request.ntasks - request.min_nodes + 1))
    free_cpus = node.spec.cpus - node.cpus_allocated
    free_memory = node.spec.memory - node.memory_allocated
    for tasks in range(limit, 0, -1):
        cpus = _whole_cores(tasks * request.cpus_per_task, node.spec)
        if cpus <= free_cpus and memory_needed(request, cpus, node.spec, config) <= free_memory:
            return tasks
    return 0


def _indices(node: Node) -> dict[str, range]:
    """The numbers of each kind's devices: all kinds of one name (`gpu:V100`, `gpu:A100`) are counted through."""
    first: dict[str, int] = {}
    numbers: dict[str, range] = {}
    for kind, count in node.spec.gres_counts.items():
        name = kind.partition(":")[0]
        numbers[kind] = range(first.get(name, 0), first.get(name, 0) + count)
        first[name] = numbers[kind].stop
    return numbers


def _pick_gres(node: Node, wanted: Mapping[str, int]) -> dict[str, list[int]] | None:
    used = node.gres_used()
    free = {kind: [index for index in indices if index not in used[kind]] for kind, indices in _indices(node).items()}
    picked: dict[str, list[int]] = {}
    for wish, count in wanted.items():
        missing = count
        for kind in (kind for kind in free if kind == wish or kind.startswith(f"{wish}:")):
            part, free[kind] = free[kind][:missing], free[kind][missing:]
            if part:
                picked[kind] = picked.get(kind, []) + part
            missing -= len(part)
        if missing:
            return None
    return picked
