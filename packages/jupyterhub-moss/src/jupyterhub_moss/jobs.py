"""Jobs as squeue prints them: the one format in which this package asks for them, and how it is read."""

from typing import NamedTuple

# no space and nothing that a shell reads, so that a command over ssh needs no second quoting; the name comes last,
# as it is the only field in which anything may stand
_SEPARATOR = "//"
_FIELDS = ("%i", "%T", "%B", "%u", "%P", "%Q", "%S", "%r", "%j")

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

    @property
    def waits(self) -> bool:
        """Whether it has not started."""
        return self.state in PENDING_STATES


def _read_job(line: str) -> JobFacts:
    fields = line.split(_SEPARATOR, len(_FIELDS) - 1)
    if len(fields) != len(_FIELDS):
        raise ValueError(f"squeue printed {line!r} instead of {len(_FIELDS)} fields separated by {_SEPARATOR}")
    number, state, host, user, partition, priority, start, reason, name = fields
    return JobFacts(number, state, host, user, partition, int(priority), start, reason, name)


def read_jobs(output: str) -> dict[str, JobFacts]:
    """The jobs in squeue's output by id; `ValueError` shows a line that is not in `JOB_FORMAT`."""
    jobs = (_read_job(line) for line in output.splitlines() if line.strip())
    return {job.number: job for job in jobs}
