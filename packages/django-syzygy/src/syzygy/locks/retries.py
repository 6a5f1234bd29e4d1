"""How long a lock is waited for, how often it is asked for, and the pauses between."""

import random
from dataclasses import dataclass
from typing import Self

from django.db import Error

from syzygy.migration_settings import MigrationSettings

__all__ = ("RetryPolicy", "is_lock_failure")

_LOCK_NOT_AVAILABLE = "55P03"
_DEADLOCK_DETECTED = "40P01"
_MYSQL_LOCK_WAIT_TIMEOUT = 1205
_MYSQL_DEADLOCK = 1213
_LONGEST_PAUSE = 16  # times the first one


@dataclass(frozen=True)
class RetryPolicy:
    """`timeout` and `pause` in seconds; `retries` further attempts after the first. No timeout: wait for ever."""

    timeout: float | None
    retries: int
    pause: float

    @classmethod
    def from_settings(cls) -> Self:
        """Read the `MIGRATION_LOCK_*` settings."""
        declared = MigrationSettings.current()
        return cls(declared.lock_timeout or None, declared.lock_retries, declared.lock_pause)

    def pause_after(self, attempt: int) -> float:
        """Seconds until the next attempt: doubled each time up to a limit, and jittered.

        The application's queries that queued behind the attempt are served in the pause; the jitter keeps two
        migrations, or a migration and a periodic job, from meeting again and again.
        """
        longest = self.pause * min(2 ** (attempt - 1), _LONGEST_PAUSE)
        return random.uniform(longest / 2, longest)  # noqa: S311 - not a secret


def is_lock_failure(error: BaseException) -> bool:
    """Tell whether the database gave a statement up for a lock: after its timeout, or to end a deadlock."""
    cause = error.__cause__ if isinstance(error, Error) else None
    named = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    numbered = next(iter(getattr(cause, "args", ())), None)  # as MySQL's drivers do
    return named in {_LOCK_NOT_AVAILABLE, _DEADLOCK_DETECTED} or numbered in {_MYSQL_LOCK_WAIT_TIMEOUT, _MYSQL_DEADLOCK}
