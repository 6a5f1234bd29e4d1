"""Every statement of a migration passes here: strong locks are waited for briefly, and asked for again later.

A statement that waits for a strong lock makes each query that comes after it wait as well. So it gives up after
`lock_timeout`, lets the queue pass, and is tried again. What is repeated depends on what a rollback undoes: a
statement of its own is repeated alone, one inside a transaction makes the caller roll back and repeat the whole.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

from django.core.management import CommandError
from django.db import Error, OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration

from syzygy.postgresql.sessions import session_lock_timeout
from syzygy.postgresql.views import around_views

from .attempts import Attempts
from .catalog import count_waits
from .lexing import pattern
from .metadata import limited
from .opaque import noticing_code
from .retries import RetryPolicy, is_lock_failure
from .statements import is_strong, runs_alone, strong_locks_of
from .unfinished import drop_invalid_index, says_it_is_done

__all__ = ("LockGuard", "StatementJournal")

Execute: TypeAlias = Callable[[str, Any, bool, dict[str, Any]], Any]
Statement: TypeAlias = Callable[[str | None], Any]

# Once the time is up for a transaction that holds strong locks already, its next statement gets this long, in seconds.
_SHORTEST = 0.05
# The timeout is set anew only when it has to shrink by more than this part of the whole: each time is a round trip.
_TOLERANCE = 0.1
_NO_TRANSACTION_ALLOWED = "25001"
_READS = r"\s*(?:SELECT|SHOW|EXPLAIN|PRAGMA|SET|RESET|SAVEPOINT|RELEASE|ROLLBACK|VALUES|FETCH)\b"
_ROWS = rf"{_READS}|\s*(?:INSERT|UPDATE|DELETE|MERGE|WITH|COPY)\b"
_CONTROLS = r"(?:^|;)\s*(?:BEGIN|START TRANSACTION|COMMIT|END)\b"


@dataclass
class StatementJournal:
    """Where the finished statements of one operation outside a transaction are noted, so that none runs twice.

    Statements that read or write rows are noted only with `rows`: an operation of its own may look at their results.
    """

    is_done: Callable[[str], bool]
    was_begun: Callable[[str], bool]
    begin: Callable[[str], None]
    finish: Callable[[str], None]
    forget: Callable[[str], None]
    rows: bool


class LockGuard:
    """A wrapper of `connection.execute_wrapper` for the statements of migrations.

    `say` prints a line to whoever watches. On MySQL and MariaDB only changes of the schema are limited, elsewhere than
    there and on PostgreSQL nothing is.
    """

    def __init__(self, connection: BaseDatabaseWrapper, policy: RetryPolicy, say: Callable[[str], None]) -> None:
        self.connection = connection
        self.say = say
        self.journal: StatementJournal | None = None
        self.code_has_run = False
        self._own_statements = False
        self._attempts = Attempts(connection, policy, say, self._unwatched)
        self._limits = self._attempts.are_limited and connection.vendor == "postgresql"
        self._limits_ddl = self._attempts.are_limited and connection.vendor == "mysql"
        self._forget_transaction(None)

    # What the executor calls

    @contextmanager
    def watching(self, migration: Migration | None = None) -> Iterator[None]:
        """Look after one attempt at a migration, at one of its operations, or at other changes of the schema."""
        self.code_has_run = False
        self._forget_transaction(None)
        noticing = nullcontext() if migration is None else noticing_code(migration, self._note_code)
        with noticing, self.connection.execute_wrapper(self):
            yield

    def repeat(self, attempt: Callable[[], Any], subject: str) -> Any:
        """Call `attempt` until no lock stands in its way.

        Raises `CommandError` when the retries are used up, or when `attempt` has run code that must not run twice.
        """
        number = 1
        self._attempts.begin()
        while True:
            try:
                return attempt()
            except OperationalError as error:
                if not (self._limits and is_lock_failure(error)):  # Elsewhere a rollback does not undo everything.
                    raise
                if self.code_has_run:
                    raise CommandError(self._attempts.refusal(subject)) from error
                self._attempts.pause(number, subject, error)
                number += 1

    # One statement

    def __call__(self, execute: Execute, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        """Run one statement."""
        if self._own_statements:
            return execute(sql, params, many, context)
        self._attempts.statement = text = self._text(sql)
        if self.connection.vendor == "postgresql" and not many:
            with self._unwatched():
                followed = around_views(self.connection, text, params is not None)
            if followed != text:
                sql = followed

        def run(limit: str | None = None) -> Any:
            if limit is None:
                return execute(sql, params, many, context)
            if params or not isinstance(sql, str):  # The server takes no second statement beside parameters.
                execute(limit, None, False, context)
                return execute(sql, params, many, context)
            result = execute(f"{limit}; {sql}", params, many, context)
            driver: Any = self.connection
            if driver.Database.__name__ == "psycopg":  # psycopg2 keeps only the last result.
                context["cursor"].nextset()
            return result

        if self.connection.in_atomic_block or not self.connection.get_autocommit():
            return self._in_transaction(text, run)
        if self._limits_ddl and not pattern(_ROWS).match(text):
            return self._outside(text, lambda _: self._attempts.repeat(lambda: self._limited_ddl(run), text))
        return self._outside(text, run)

    def _limited_ddl(self, run: Statement) -> Any:
        """A statement that MySQL takes for a transaction of its own, and that has done nothing when it gives up."""
        with limited(self.connection, self._attempts.timeout, self._unwatched):
            return run(None)

    def _text(self, sql: Any) -> str:
        if isinstance(sql, bytes):
            return sql.decode()
        if hasattr(sql, "as_string"):
            return str(sql.as_string(self.connection.connection))
        return str(sql)

    def _note_code(self) -> None:
        self.code_has_run = True

    @contextmanager
    def _unwatched(self) -> Iterator[None]:
        """Let statements of our own pass: they look, or keep the journal."""
        before, self._own_statements = self._own_statements, True
        try:
            yield
        finally:
            self._own_statements = before

    # Inside a transaction

    def _forget_transaction(self, outermost: Any) -> None:
        self._outermost = outermost
        self._strong_since: float | None = None
        self._limit_set: float | None = None
        self._wrote = False

    def _in_transaction(self, text: str, run: Statement) -> Any:
        outermost = next(iter(self.connection.atomic_blocks), None)
        if outermost is not self._outermost:
            self._forget_transaction(outermost)
        if not (self._limits and is_strong(text)):
            if text.startswith("ROLLBACK"):
                self._limit_set = None  # PostgreSQL takes settings back with what the savepoint protected.
            self._wrote = self._wrote or not pattern(_READS).match(text)
            return run(None)
        if self.code_has_run and not self._wrote and self._strong_since is None:
            return self._behind_savepoint(text, run)
        return self._limited(text, run)

    def _limited(self, text: str, run: Statement) -> Any:
        result = run(self._next_limit(text))
        self._wrote = True
        return result

    def _next_limit(self, text: str) -> str | None:
        """All waits of a transaction together are to stay below the timeout: what it has locked, it keeps locked."""
        now = time.monotonic()
        if self._strong_since is None:
            self._strong_since = now
        limit = self._limit(text, now - self._strong_since)
        if self._limit_set is not None and limit >= self._limit_set - _TOLERANCE * self._attempts.timeout:
            return None
        self._limit_set = limit
        return _set_local(limit)

    def _limit(self, text: str, spent: float = 0.0) -> float:
        """Seconds for each of the locks that a statement takes one after the other: PostgreSQL's limit is for one."""
        waits = 1
        if self._limits and not self._attempts.outlasts_vacuum:
            with self._unwatched():
                waits = count_waits(self.connection, strong_locks_of(text))
        return max((self._attempts.timeout - spent) / waits, _SHORTEST)

    def _behind_savepoint(self, text: str, run: Statement) -> Any:
        """Code has begun that must not run twice, but this transaction stands in nobody's way yet."""

        def attempt() -> Any:
            self._strong_since = self._limit_set = None
            with transaction.atomic(self.connection.alias):
                return self._limited(text, run)

        return self._attempts.repeat(attempt, text)

    # Outside a transaction

    def _outside(self, text: str, run: Statement) -> Any:
        journal = self.journal
        if journal is not None and (journal.rows or not pattern(_ROWS).match(text)):
            with self._unwatched():
                if journal.is_done(text):
                    return None
            return self._once(text, run, journal)
        if not (self._limits and is_strong(text)):
            return run(None)
        return self._once(text, run, None)

    def _once(self, text: str, run: Statement, journal: StatementJournal | None) -> Any:
        if self.connection.vendor == "postgresql" and runs_alone(text):
            return self._alone(text, run, journal)
        if not (journal is None or self.connection.features.can_rollback_ddl or pattern(_ROWS).match(text)):
            return self._committed_at_once(text, run, journal)
        if pattern(_CONTROLS).search(text):
            return self._with_session_timeout(self._limit(text), run)
        try:
            return self._attempts.repeat(lambda: self._in_own_transaction(run, journal, text), text)
        except Error as error:
            if getattr(error.__cause__, "sqlstate", None) != _NO_TRANSACTION_ALLOWED:
                raise
        return self._alone(text, run, journal)

    def _in_own_transaction(self, run: Statement, journal: StatementJournal | None, text: str) -> Any:
        with transaction.atomic(self.connection.alias):
            limited = self._limits and is_strong(text)
            result = run(_set_local(self._limit(text)) if limited else None)
            self._finish(journal, text)
        return result

    def _committed_at_once(self, text: str, run: Statement, journal: StatementJournal) -> Any:
        """Where DDL is no part of a transaction: a process that is killed may do the work and not note it."""
        with self._unwatched():
            begun_before = journal.was_begun(text)
            journal.begin(text)
        try:
            result = run(None)
        except Error as error:
            if not (begun_before and says_it_is_done(error)):
                with suppress(Error), self._unwatched():  # The connection may be what broke.
                    journal.forget(text)
                raise
            result = None
        self._finish(journal, text)
        return result

    def _finish(self, journal: StatementJournal | None, text: str) -> None:
        if journal is not None:
            with self._unwatched():
                journal.finish(text)

    def _alone(self, text: str, run: Statement, journal: StatementJournal | None) -> Any:
        """A statement that is many transactions: what it left unfinished is removed before it is tried again.

        It keeps no query from its work, so it may wait for as long as it takes.
        """
        if journal is not None:
            with self._unwatched():
                journal.begin(text)

        def attempt() -> Any:
            with self._unwatched():
                drop_invalid_index(self.connection, text)
                return self._with_session_timeout(0, run)

        result = self._attempts.repeat(attempt, text)
        self._finish(journal, text)
        return result

    def _with_session_timeout(self, timeout: float, run: Statement) -> Any:
        if not self._limits:
            return run(None)
        with self._unwatched(), session_lock_timeout(self.connection, timeout):
            return run(None)


def _set_local(limit: float) -> str:
    return f"SET LOCAL lock_timeout = {round(limit * 1000)}"
