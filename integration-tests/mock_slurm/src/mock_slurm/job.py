"""One job: what was asked, what happened to it, and where it runs."""

from __future__ import annotations

import dataclasses
from typing import Any

__all__ = ["ABBREVIATIONS", "ACTIVE_STATES", "FINAL_STATES", "Job", "Request"]

ABBREVIATIONS = {
    "PENDING": "PD", "RUNNING": "R", "SUSPENDED": "S", "COMPLETED": "CD", "CANCELLED": "CA", "FAILED": "F",
    "TIMEOUT": "TO", "NODE_FAIL": "NF", "PREEMPTED": "PR", "BOOT_FAIL": "BF", "DEADLINE": "DL",
    "OUT_OF_MEMORY": "OOM", "COMPLETING": "CG", "CONFIGURING": "CF", "RESIZING": "RS", "RESV_DEL_HOLD": "RD",
    "REQUEUED": "RQ", "REQUEUE_FED": "RF", "REQUEUE_HOLD": "RH", "REVOKED": "RV", "SIGNALING": "SI",
    "SPECIAL_EXIT": "SE", "STAGE_OUT": "SO", "STOPPED": "ST",
}  # fmt: skip
ACTIVE_STATES = ("PENDING", "RUNNING", "SUSPENDED")
FINAL_STATES = (
    "CANCELLED", "COMPLETED", "FAILED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "DEADLINE", "OUT_OF_MEMORY",
)  # fmt: skip
"""States after which a job does nothing more."""


@dataclasses.dataclass
class Request:
    """What sbatch asked for, after defaults. Memory is MiB per node, times are minutes or Unix times."""

    name: str = "sbatch"
    name_given: bool = False
    partition: str = ""
    time_limit: int = 1
    cpus_per_task: int = 1
    ntasks: int = 1
    ntasks_given: bool = False
    cpus_given: bool = False
    ntasks_per_node: int | None = None
    min_nodes: int = 1
    memory: int | None = None
    memory_per_cpu: int | None = None
    gres: str = ""
    features: str = ""
    nodelist: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    exclusive: bool = False
    account: str = ""
    qos: str = "normal"
    reservation: str = ""
    dependency: str = ""
    comment: str = ""
    begin: float | None = None
    deadline: float | None = None
    requeue: bool = True
    nice: int = 0
    workdir: str = "/"
    submit_dir: str = "/"
    stdout: str = ""
    stderr: str = ""
    stdin: str = "/dev/null"
    append: bool = False
    command: str = ""
    script: str = ""
    argv: tuple[str, ...] = ()
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    warn_signal: tuple[int, int, bool] | None = None

    @property
    def gres_counts(self) -> dict[str, int]:
        """Generic resources per node as {"gpu": 1} or {"gpu:A100": 2}."""
        counts: dict[str, int] = {}
        for item in filter(None, self.gres.split(",")):
            kind, separator, count = item.rpartition(":")
            if separator and count.isdigit():
                counts[kind] = counts.get(kind, 0) + int(count)
            else:
                counts[item] = counts.get(item, 0) + 1
        return counts


@dataclasses.dataclass
class Job:
    """A job as the controller keeps it. Moments are Unix times, `allocation` maps a node to its CPUs."""

    id: int
    user: str
    uid: int
    gid: int
    request: Request
    submitted: float
    run_as: tuple[int, int] | None = None
    state: str = "PENDING"
    completing: bool = False
    configuring: bool = False
    reason: str = "None"
    held: str = ""
    priority: int = 1
    eligible: float | None = None
    started: float | None = None
    ended: float | None = None
    configured: float | None = None
    suspended_since: float | None = None
    suspended_total: float = 0.0
    expected_start: float | None = None
    scheduled_nodes: tuple[str, ...] = ()
    allocation: dict[str, int] = dataclasses.field(default_factory=dict)
    memory: dict[str, int] = dataclasses.field(default_factory=dict)
    gres: dict[str, dict[str, list[int]]] = dataclasses.field(default_factory=dict)
    exit_code: int = 0
    exit_signal: int = 0
    launch_failed: bool = False
    max_rss: int = 0
    restarts: int = 0
    cancelled_by: int | None = None
    step_pid: int | None = None
    step_start: int | None = None
    released: float | None = None
    purged: bool = False
    final_requeue: str = ""

    @property
    def shown_state(self) -> str:
        """The state as squeue names it: a transition hides what it leads to."""
        if self.completing:
            return "COMPLETING"
        return "CONFIGURING" if self.configuring else self.state

    @property
    def nodes(self) -> tuple[str, ...]:
        """The allocated nodes, first the one that runs the script."""
        return tuple(self.allocation)

    @property
    def active(self) -> bool:
        """Whether squeue lists it without being asked for finished jobs."""
        return self.completing or self.state in ACTIVE_STATES

    @property
    def finished(self) -> bool:
        """Whether nothing of it runs any more and nothing will."""
        return not self.active

    def run_seconds(self, now: float) -> float:
        """Seconds of running, without those spent suspended."""
        if self.started is None or self.state == "PENDING":
            return 0.0
        end = self.ended if self.ended is not None else now
        asleep = self.suspended_total
        if self.suspended_since is not None:
            asleep += end - self.suspended_since
        return max(end - self.started - asleep, 0.0)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the journal."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Job:
        """A job read back from the journal."""
        request = dict(data["request"])
        for key in ("nodelist", "exclude", "argv"):
            request[key] = tuple(request[key])
        if request["warn_signal"] is not None:
            request["warn_signal"] = tuple(request["warn_signal"])
        values = {**data, "request": Request(**request), "scheduled_nodes": tuple(data["scheduled_nodes"])}
        values["run_as"] = tuple(data["run_as"]) if data["run_as"] is not None else None
        return cls(**values)
