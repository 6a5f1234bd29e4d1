"""Every field that sinfo can print of a group of nodes in a partition."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping

from mock_slurm.config import NodeSpec, PartitionSpec
from mock_slurm.controller import Controller
from mock_slurm.formats import Column
from mock_slurm.hostlist import compress
from mock_slurm.quantities import minutes, timestamp
from mock_slurm.resources import Node

__all__ = ["EXACT", "FIELDS", "FIELD_NAMES", "SPLITTING", "Group", "gres_used"]

_SHORT_STATES = {
    "idle": "idle",
    "mixed": "mix",
    "allocated": "alloc",
    "down": "down",
    "drained": "drain",
    "draining": "drng",
    "n/a": "n/a",
}
# The numbers by which the real sinfo sorts: DRAIN is a flag above the base states.
_STATE_RANKS = {"down": 1, "idle": 2, "allocated": 3, "mixed": 5, "drained": 514, "draining": 515, "n/a": 0}


@dataclasses.dataclass(frozen=True)
class Group:
    """Nodes of one partition that share a line; none, where no node of it was asked for."""

    controller: Controller
    partition: str
    nodes: tuple[str, ...]
    by_node: bool = False

    @property
    def spec(self) -> PartitionSpec:
        """The partition."""
        return self.controller.config.partitions[self.partition]

    @property
    def members(self) -> list[Node]:
        """The nodes."""
        return [self.controller.nodes[name] for name in self.nodes]

    @property
    def state(self) -> str:
        """The first node's state, in the long words."""
        return self.members[0].state if self.nodes else "n/a"

    @property
    def state_rank(self) -> int:
        """Where this state stands among the others."""
        return _STATE_RANKS[self.state]

    def numbers(self, value: Callable[[NodeSpec], int]) -> str:
        """The least of a number over the nodes, with `+` when some have more."""
        values = [value(node.spec) for node in self.members] or [0]
        return f"{min(values)}+" if max(values) > min(values) else str(min(values))

    def node_counts(self) -> tuple[int, int, int, int]:
        """Nodes allocated, idle, other, all."""
        # one that is drained while jobs run on it is at work
        busy = sum(node.state in {"allocated", "mixed", "draining"} for node in self.members)
        idle = sum(node.state == "idle" for node in self.members)
        return busy, idle, len(self.nodes) - busy - idle, len(self.nodes)

    def cpu_counts(self) -> tuple[int, int, int, int]:
        """CPUs allocated, idle, other, all."""
        busy = sum(node.cpus_allocated for node in self.members)
        other = sum(node.spec.cpus - node.cpus_allocated for node in self.members if node.mark)
        total = sum(node.spec.cpus for node in self.members)
        return busy, total - busy - other, other, total


def gres_used(node: Node) -> str:
    """`gpu:A100:2(IDX:0-1)` for every kind the node has."""
    if not node.spec.gres_counts:
        return "gpu:0"
    if not node.gres:
        return _nothing_used(tuple(node.spec.gres_counts))
    return ",".join(f"{kind}:{len(taken)}(IDX:{_indices(taken)})" for kind, taken in node.gres_used().items())


@functools.cache
def _nothing_used(kinds: tuple[str, ...]) -> str:
    # a cluster of thousands of nodes has few kinds of them
    return ",".join(f"{kind}:0(IDX:{_indices([])})" for kind in kinds)


def _indices(numbers: list[int]) -> str:
    if not numbers:
        return "N/A"
    return compress([f"gpu{number}" for number in numbers]).removeprefix("gpu").strip("[]")


def _default_time(group: Group) -> str:
    limit = group.spec.default_time
    return "n/a" if limit is None else minutes(limit, "infinite")


def _first(text: Callable[[Node], str], empty: str) -> Callable[[Group], str]:
    """A field of the group's first node; `empty` is what a line without nodes shows."""
    return lambda group: text(group.members[0]) if group.nodes else empty


def _features(node: Node) -> str:
    return ",".join(node.spec.features) or "(null)"


def _slashes(numbers: tuple[int, ...]) -> str:
    return "/".join(map(str, numbers))


_AVAILABLE = {"UP": "up", "DOWN": "down", "DRAIN": "drain", "INACTIVE": "inact"}
_TABLE: tuple[tuple[str, str, str, Callable[[Group], str]], ...] = (
    ("a", "Available", "AVAIL", lambda g: _AVAILABLE[g.spec.state]),
    ("A", "NodeAI", "NODES(A/I)", lambda g: _slashes(g.node_counts()[:2])),
    ("b", "Features_act", "ACTIVE_FEATURES", _first(_features, "(null)")),
    ("B", "MaxCPUsPerNode", "MAX_CPUS_PER_NODE", lambda _: "UNLIMITED"),
    ("c", "CPUs", "CPUS", lambda g: g.numbers(lambda n: n.cpus)),
    ("C", "CPUsState", "CPUS(A/I/O/T)", lambda g: _slashes(g.cpu_counts())),
    ("d", "Disk", "TMP_DISK", lambda _: "0"),
    ("D", "Nodes", "NODES", lambda g: str(len(g.nodes))),
    ("e", "FreeMem", "FREE_MEM", lambda g: g.numbers(lambda n: n.memory)),
    ("E", "Reason", "REASON", _first(lambda n: n.reason or "none", "none")),
    ("f", "Features", "AVAIL_FEATURES", _first(_features, "(null)")),
    ("F", "NodeAIOT", "NODES(A/I/O/T)", lambda g: _slashes(g.node_counts())),
    ("g", "Groups", "GROUPS", lambda g: ",".join(g.spec.allow_groups) or "all"),
    ("G", "Gres", "GRES", _first(lambda n: n.spec.gres or "(null)", "(null)")),
    ("h", "OverSubscribe", "OVERSUBS", lambda _: "NO"),
    ("H", "TimeStamp", "TIMESTAMP", _first(lambda n: timestamp(n.reason_at, "Unknown"), "Unknown")),
    ("I", "PriorityJobFactor", "PRIO_JOB_FACTOR", lambda _: "1"),
    ("l", "Time", "TIMELIMIT", lambda g: minutes(g.spec.max_time, "infinite")),
    ("L", "DefaultTime", "DEFAULTTIME", _default_time),
    ("m", "Memory", "MEMORY", lambda g: g.numbers(lambda n: n.memory)),
    ("M", "PreemptMode", "PREEMPT_MODE", lambda g: g.spec.preempt_mode),
    ("n", "NodeHost", "HOSTNAMES", _first(lambda n: n.spec.name, "")),
    ("N", "NodeList", "NODELIST", lambda g: compress(g.nodes)),
    ("o", "NodeAddr", "NODE_ADDR", _first(lambda _: "127.0.0.1", "")),
    ("O", "CPUsLoad", "CPU_LOAD", lambda _: "0.00"),
    ("p", "PriorityTier", "PRIO_TIER", lambda g: str(g.spec.priority_tier)),
    ("P", "Partition", "PARTITION", lambda g: f"{g.partition}*" if g.spec.default else g.partition),
    ("r", "Root", "ROOT", lambda _: "no"),
    ("R", "PartitionName", "PARTITION", lambda g: g.partition),
    ("s", "Size", "JOB_SIZE", lambda _: "1-infinite"),
    ("S", "AllocNodes", "ALLOCNODES", lambda _: "all"),
    ("t", "StateCompact", "STATE", lambda g: _SHORT_STATES[g.state]),
    ("T", "StateLong", "STATE", lambda g: g.state),
    ("u", "User", "USER", _first(lambda n: n.reason_by or "Unknown", "root")),
    ("v", "Version", "VERSION", lambda g: g.controller.config.version if g.nodes else "N/A"),
    ("w", "Weight", "WEIGHT", _first(lambda _: "1", "0")),
    ("X", "Sockets", "SOCKETS", lambda g: g.numbers(lambda n: n.sockets)),
    ("Y", "Cores", "CORES", lambda g: g.numbers(lambda n: n.cores_per_socket)),
    ("Z", "Threads", "THREADS", lambda g: g.numbers(lambda n: n.threads_per_core)),
    ("", "AllocMem", "ALLOCMEM", lambda g: str(min((n.memory_allocated for n in g.members), default=0))),
    ("", "GresUsed", "GRES_USED", _first(gres_used, "(null)")),
    ("", "Cluster", "CLUSTER", lambda g: g.controller.config.cluster),
)  # fmt: skip

FIELDS: Mapping[str, Column[Group]] = {letter: Column(heading, text) for letter, _, heading, text in _TABLE if letter}
FIELD_NAMES: Mapping[str, Column[Group]] = {name: Column(heading, text) for _, name, heading, text in _TABLE}
SPLITTING: tuple[Column[Group], ...] = (
    *(FIELDS[letter] for letter in "PRaglLhrsSpMItTnGfbEuHov"),
    FIELD_NAMES["GresUsed"],
)
"""Fields that put nodes which differ in them on lines of their own; any other field is summed up over the line."""
EXACT: tuple[Column[Group], ...] = (*SPLITTING, *(FIELDS[letter] for letter in "cmdwXYZ"))
"""Those with `--exact`."""
