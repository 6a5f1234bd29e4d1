"""Every field that squeue can print of a job, by its letter and by its long name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from mock_slurm.controller import Controller
from mock_slurm.formats import Column
from mock_slurm.hostlist import compress
from mock_slurm.job import ABBREVIATIONS, Job
from mock_slurm.quantities import UNLIMITED, elapsed, mebibytes, minutes, timestamp

__all__ = ["FIELDS", "FIELD_NAMES", "JobView"]


@dataclasses.dataclass(frozen=True)
class JobView:
    """A job together with what its fields depend on."""

    job: Job
    controller: Controller
    now: float

    def scaled(self, seconds: float) -> float:
        """Real seconds as seconds of the cluster's clock."""
        return seconds * 60 / self.controller.config.minute_seconds

    @property
    def used(self) -> float:
        """Seconds of running on the cluster's clock."""
        return self.scaled(self.job.run_seconds(self.now))

    @property
    def time_left(self) -> str:
        """What the time limit leaves."""
        limit = self.job.request.time_limit
        return "UNLIMITED" if limit == UNLIMITED else elapsed(limit * 60 - int(self.used))

    @property
    def start(self) -> float | None:
        """When it started, or is expected to."""
        return self.job.expected_start if self.job.state == "PENDING" else self.job.started

    @property
    def end(self) -> float | None:
        """When it ended, or will at the latest."""
        if self.job.ended is not None and self.job.state != "PENDING":
            return self.job.ended
        limit = self.job.request.time_limit
        if self.start is None or limit == UNLIMITED:
            return None
        return self.start + limit * self.controller.config.minute_seconds

    @property
    def shown_nodes(self) -> tuple[str, ...]:
        """The nodes it has or had; none while it waits, even if the last run's are not free yet."""
        return () if self.job.state == "PENDING" and not self.job.completing else self.job.nodes

    @property
    def exec_host(self) -> str:
        """The node that runs the script."""
        if not self.shown_nodes:
            return "n/a"
        return self.controller.config.exec_host or self.shown_nodes[0]

    @property
    def nodes_or_reason(self) -> str:
        """%R: nodes of a job that has them, otherwise the reason in parentheses."""
        job = self.job
        if job.state == "PENDING" and not job.completing:
            return f"({job.reason})"
        if job.state in {"FAILED", "TIMEOUT", "DEADLINE", "OUT_OF_MEMORY"} and not job.completing:
            return f"({job.reason})"
        return compress(job.nodes)

    @property
    def cpus(self) -> int:
        """CPUs it has, or asks for."""
        request = self.job.request
        return sum(self.job.allocation.values()) or max(request.ntasks, request.min_nodes) * request.cpus_per_task

    @property
    def node_count(self) -> int:
        """Nodes it has, or asks for."""
        return len(self.shown_nodes) or self.job.request.min_nodes

    @property
    def minimum_memory(self) -> str:
        """Memory per node, or per CPU."""
        request = self.job.request
        if request.memory is not None:
            return mebibytes(request.memory) if request.memory else "0"
        per_cpu = request.memory_per_cpu
        return mebibytes(
            self.controller.config.partitions[request.partition].def_mem_per_cpu if per_cpu is None else per_cpu
        )


_TABLE: tuple[tuple[str, str, str, Callable[[JobView], str]], ...] = (
    ("a", "Account", "ACCOUNT", lambda v: v.job.request.account or "(null)"),
    ("A", "JobID", "JOBID", lambda v: str(v.job.id)),
    ("b", "tres-per-node", "TRES_PER_NODE", lambda v: f"gres:{v.job.request.gres}" if v.job.request.gres else "N/A"),
    ("B", "BatchHost", "EXEC_HOST", lambda v: v.exec_host),
    ("c", "MinCpus", "MIN_CPUS", lambda v: str(v.job.request.cpus_per_task)),
    ("C", "NumCPUs", "CPUS", lambda v: str(v.cpus)),
    ("D", "NumNodes", "NODES", lambda v: str(v.node_count)),
    ("e", "EndTime", "END_TIME", lambda v: timestamp(v.end)),
    ("E", "Dependency", "DEPENDENCY", lambda v: v.job.request.dependency or "(null)"),
    ("f", "Feature", "FEATURES", lambda v: v.job.request.features or "(null)"),
    ("F", "ArrayJobID", "ARRAY_JOB_ID", lambda v: str(v.job.id)),
    ("g", "GroupName", "GROUP", lambda v: str(v.job.gid)),
    ("G", "GroupID", "GROUP", lambda v: str(v.job.gid)),
    ("h", "OverSubscribe", "OVER_SUBSCRIBE", lambda v: "NO" if v.job.request.exclusive else "OK"),
    ("i", "JobArrayID", "JOBID", lambda v: str(v.job.id)),
    ("j", "Name", "NAME", lambda v: v.job.request.name),
    ("k", "Comment", "COMMENT", lambda v: v.job.request.comment or "(null)"),
    ("K", "ArrayTaskID", "ARRAY_TASK_ID", lambda _: "N/A"),
    ("l", "TimeLimit", "TIME_LIMIT", lambda v: minutes(v.job.request.time_limit)),
    ("L", "TimeLeft", "TIME_LEFT", lambda v: v.time_left),
    ("m", "MinMemory", "MIN_MEMORY", lambda v: v.minimum_memory),
    ("M", "TimeUsed", "TIME", lambda v: elapsed(v.used)),
    ("n", "ReqNodes", "REQ_NODES", lambda v: compress(v.job.request.nodelist)),
    ("N", "NodeList", "NODELIST", lambda v: compress(v.shown_nodes)),
    ("o", "Command", "COMMAND", lambda v: v.job.request.command or "(null)"),
    ("p", "Priority", "PRIORITY", lambda v: f"{v.job.priority / 4294967296:.14f}"),
    ("P", "Partition", "PARTITION", lambda v: v.job.request.partition),
    ("q", "QOS", "QOS", lambda v: v.job.request.qos),
    ("Q", "PriorityLong", "PRIORITY", lambda v: str(v.job.priority)),
    ("r", "Reason", "REASON", lambda v: v.job.reason),
    ("R", "ReasonList", "NODELIST(REASON)", lambda v: v.nodes_or_reason),
    ("S", "StartTime", "START_TIME", lambda v: timestamp(v.start)),
    ("t", "StateCompact", "ST", lambda v: ABBREVIATIONS[v.job.shown_state]),
    ("T", "State", "STATE", lambda v: v.job.shown_state),
    ("u", "UserName", "USER", lambda v: v.job.user),
    ("U", "UserID", "USER", lambda v: str(v.job.uid)),
    ("v", "Reservation", "RESERVATION", lambda v: v.job.request.reservation or "(null)"),
    ("V", "SubmitTime", "SUBMIT_TIME", lambda v: timestamp(v.job.submitted)),
    ("w", "WCKey", "WCKEY", lambda _: "(null)"),
    ("W", "Licenses", "LICENSES", lambda _: "(null)"),
    ("x", "ExcNodes", "EXC_NODES", lambda v: compress(v.job.request.exclude)),
    ("y", "Nice", "NICE", lambda v: str(v.job.request.nice)),
    ("Y", "SchedNodes", "SCHEDNODES", lambda v: compress(v.job.scheduled_nodes) or "(null)"),
    ("z", "SCT", "S:C:T", lambda _: "*:*:*"),
    ("Z", "WorkDir", "WORK_DIR", lambda v: v.job.request.workdir),
    ("", "StdOut", "STDOUT", lambda v: v.job.request.stdout),
    ("", "StdErr", "STDERR", lambda v: v.job.request.stderr),
    ("", "RestartCnt", "RESTART_COUNT", lambda v: str(v.job.restarts)),
    ("", "exit_code", "EXIT_CODE", lambda v: str(v.job.exit_code)),
    ("", "PendingTime", "PENDING_TIME", lambda v: str(int((v.job.started or v.now) - v.job.submitted))),
)  # fmt: skip

FIELDS: Mapping[str, Column[JobView]] = {letter: Column(heading, text) for letter, _, heading, text in _TABLE if letter}
FIELD_NAMES: Mapping[str, Column[JobView]] = {name: Column(heading, text) for _, name, heading, text in _TABLE}
