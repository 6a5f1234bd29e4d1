"""When a running server will end, as Slurm says: a limit that was changed counts, and so does a time of suspension."""

import time
from typing import TYPE_CHECKING

from traitlets import Integer

from jupyterhub_moss.account import AccountSpawner
from jupyterhub_moss.jobs import PAUSED_STATES, JobFacts


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

    end_warning_minutes = Integer(
        10, min=0, help="Minutes before the end of a server's time from which the pages of the hub warn of it."
    ).tag(config=True)

    @property
    def ends_at(self) -> float | None:
        """When the server's time is over, in seconds since the epoch; None where that is not known."""
        return None if self._job_facts is None else self._job_facts.ends_at

    @property
    def ends_soon(self) -> bool:
        """Whether it is time to warn."""
        return self.ends_at is not None and self.ends_at - time.time() < 60 * self.end_warning_minutes

    @property
    def suspended(self) -> bool:
        """Whether Slurm has paused the job: its server does not answer."""
        return self._job_facts is not None and self._job_facts.state in PAUSED_STATES

    @property
    def time_left(self) -> str:
        """The time that is left, in words; empty where that is not known."""
        return "" if self.ends_at is None else words_for(self.ends_at - time.time())
