"""When a running server will end: its job's start as squeue shows it, and the time that was asked for."""

import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from traitlets import Integer

from jupyterhub_moss.account import AccountSpawner
from jupyterhub_moss.jobs import JobFacts
from jupyterhub_moss.timelimit import parse_timelimit


def end_of(job: JobFacts, runtime: str) -> float | None:
    """Seconds since the epoch at which a job will have run for `runtime`; None if it does not run or has no limit."""
    if job.waits or not runtime:
        return None
    length = parse_timelimit(runtime)
    try:
        # squeue prints the hub's own local time, as the hub runs it
        start = datetime.fromisoformat(job.start).timestamp()
    except ValueError:
        return None
    return None if length == timedelta.max else start + length.total_seconds()


def words_for(seconds: float) -> str:
    """A time that is left, as a person says it."""
    minutes = max(0, int(seconds) // 60)
    if minutes < 1:
        return "less than a minute"
    hours, rest = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "day"), (hours, "hour"), (rest if not days else 0, "minute")]
    return " ".join(f"{number} {unit}{'s' if number != 1 else ''}" for number, unit in parts if number)


class EndingSpawner(AccountSpawner):
    """A spawner that knows when its server's time is over."""

    if TYPE_CHECKING:
        _job_facts: JobFacts | None
        user_options: dict[str, Any]

    end_warning_minutes = Integer(
        10, min=0, help="Minutes before the end of a server's time from which the hub's home page warns of it."
    ).tag(config=True)

    @property
    def ends_at(self) -> float | None:
        """When the server's time is over, in seconds since the epoch; None where that is not known."""
        job = self._job_facts
        return None if job is None else end_of(job, str(self.user_options.get("runtime", "")))

    @property
    def time_left(self) -> str:
        """The time that is left, in words; empty where that is not known."""
        return "" if self.ends_at is None else words_for(self.ends_at - time.time())
