"""Jobs as squeue prints them: the one format in which this package asks for them, and how it is read."""

import time
from typing import NamedTuple

from jupyterhub_moss.timelimit import time_left

# no space and nothing that a shell reads, so that a command over ssh needs no second quoting; the name comes last,
# as it is the only field in which anything may stand
_SEPARATOR = "//"
_FIELDS = ("%i", "%T", "%B", "%u", "%P", "%Q", "%S", "%r", "%L", "%j")

#: The value of squeue's ``-o`` that `read_jobs` reads.
JOB_FORMAT = _SEPARATOR.join(_FIELDS)

#: States in which a job waits for its start, in Slurm's long names.
PENDING_STATES = (
    "PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD",
    "POWER_UP_NODE",
)  # fmt: skip
#: States in which it has started and is not over: a suspended job is alive.
RUNNING_STATES = ("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "RESIZING", "STAGE_OUT")

#: States in which it is over. In a state that is on no list, nothing is known about it.
ENDED_STATES = (
    "COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "DEADLINE", "OUT_OF_MEMORY",
    "REVOKED", "LAUNCH_FAILED", "RECONFIG_FAIL",
)  # fmt: skip


class JobFacts(NamedTuple):
    """One job as squeue shows it."""

    number: str
    state: str
    """Slurm's long name, as ``RUNNING``."""
    host: str
    """The node that runs the script; ``n/a`` before there is one."""
    user: str
    partition: str
    priority: int
    start: str
    """When it started or is expected to, ``2026-11-21T22:10:16``; ``N/A`` if Slurm has no estimate."""
    reason: str
    """Why it waits or how it ended, in Slurm's word for it."""
    name: str
    ends_at: float | None = None
    """When Slurm will end it, in seconds since the epoch; None while no time runs (it waits, is suspended or has no
    limit)."""

    @property
    def waits(self) -> bool:
        """Whether it has not started."""
        return self.state in PENDING_STATES


#: States in which it has started, and nothing of it runs until Slurm lets it go on.
PAUSED_STATES = frozenset({"SUSPENDED", "STOPPED"})
#: States in which a job's time runs.
TIMED_STATES = frozenset(RUNNING_STATES) - PAUSED_STATES


def _ends_at(state: str, left: str, now: float) -> float | None:
    seconds = time_left(left) if state in TIMED_STATES else None
    return None if seconds is None else now + seconds


def _read_job(line: str, now: float) -> JobFacts:
    fields = line.split(_SEPARATOR, len(_FIELDS) - 1)
    if len(fields) != len(_FIELDS):
        raise ValueError(f"squeue printed {line!r} instead of {len(_FIELDS)} fields separated by {_SEPARATOR}")
    number, state, host, user, partition, priority, start, reason, left, name = fields
    ends_at = _ends_at(state, left, now)
    return JobFacts(number, state, host, user, partition, int(priority), start, reason, name, ends_at)


def read_jobs(output: str) -> dict[str, JobFacts]:
    """The jobs in squeue's output by id; `ValueError` shows a line that is not in `JOB_FORMAT`."""
    now = time.time()
    jobs = (_read_job(line, now) for line in output.splitlines() if line.strip())
    return {job.number: job for job in jobs}
