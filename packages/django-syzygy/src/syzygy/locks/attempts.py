"""Trying again what did not get its lock: alone, or as part of a transaction that was rolled back."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from django.core.management import CommandError
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from .catalog import holders, resolve
from .modes import LockMode
from .retries import RetryPolicy, is_lock_failure
from .statements import locks_of

__all__ = ("Attempts",)


class Attempts:
    """The attempts of one run; `timeout` in seconds is that of the present one, `statement` the last that was tried.

    `unwatched` is a context for statements of our own.
    """

    def __init__(
        self,
        connection: BaseDatabaseWrapper,
        policy: RetryPolicy,
        say: Callable[[str], None],
        unwatched: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self.connection = connection
        self.policy = policy
        self.say = say
        self.statement = ""
        self._unwatched = unwatched
        self.begin()

    @property
    def outlasts_vacuum(self) -> bool:
        """Whether the present attempt waits for as long as autovacuum may take to give way."""
        return self.timeout != (self.policy.timeout or 0.0)

    @property
    def are_limited(self) -> bool:
        """Whether statements give up waiting at all."""
        return self.connection.vendor in {"postgresql", "mysql"} and self.policy.timeout is not None

    def begin(self) -> None:
        """Begin with the timeout that was set."""
        self.timeout = self.policy.timeout or 0.0

    def repeat(self, attempt: Callable[[], Any], statement: str) -> Any:
        """Call `attempt`, which runs one statement, until no lock stands in its way."""
        number = 1
        self.begin()
        while True:
            self.statement = statement
            try:
                return attempt()
            except OperationalError as error:
                if not (self.are_limited and is_lock_failure(error)):
                    raise
                self.pause(number, "it", error)
                number += 1

    def pause(self, attempt: int, subject: str, error: OperationalError) -> None:
        """Say what happens and let the queue pass. Raises `CommandError` after the last attempt."""
        held = self._held_by()
        what = f"{_shortened(self.statement)} did not get its lock within {self.timeout:g} s{held}"
        if attempt > self.policy.retries:
            raise CommandError(
                f"{what}, nor in any of {self.policy.retries} further attempts; what they had done was rolled back. "
                "End the transaction that holds the lock or wait for it, then run migrate again. "
                "MIGRATION_LOCK_RETRIES and MIGRATION_LOCK_TIMEOUT set the limits."
            ) from error
        seconds = self.policy.pause_after(attempt)
        self.say(f"{what}; trying {subject} again in {seconds:.1f} s ({attempt} of {self.policy.retries})")
        time.sleep(seconds)

    def refusal(self, subject: str) -> str:
        """Say why a migration is not tried again."""
        return (
            f"{_shortened(self.statement)} did not get its lock within {self.timeout:g} s{self._held_by()}. "
            f"The migration {subject} was rolled back and is not tried again by itself, as it had run Python "
            "code that may have done things outside the database. Run migrate again. To have it repeated, set "
            "`repeatable = True` on the migration class, or move the code into a migration of its own."
        )

    def _held_by(self) -> str:
        """Name who is in the way, and give autovacuum the time after which PostgreSQL makes it give way."""
        if self.connection.vendor != "postgresql":
            return ""
        with self._unwatched():
            tables = [lock.table for lock in resolve(self.connection, locks_of(self.statement)) if lock.table]
            found = holders(self.connection, tables) if tables else []
        if any(holder.mode == LockMode.SHARE_UPDATE_EXCLUSIVE.pg_locks_mode for holder in found):
            self.timeout = max(self.timeout, self._deadlock_timeout() + 0.2)
        return f", held by {found[0]}" if found else ""

    def _deadlock_timeout(self) -> float:
        with self._unwatched(), self.connection.cursor() as cursor:
            cursor.execute("SELECT setting::float / 1000 FROM pg_settings WHERE name = 'deadlock_timeout'")
            return float(cursor.fetchone()[0])


def _shortened(statement: str) -> str:
    text = " ".join(statement.split())
    return (f"{text[:77]}..." if len(text) > 80 else text) or "A statement"
