"""One process at a time migrates a database.

On PostgreSQL the right is a lock inside a transaction that stays open on a connection of its own, on MySQL a named
lock of such a connection, on SQLite a lock on a file beside the database. Each ends with the process, however that
ends. Other databases have nothing that does, and no lock.
"""

import fcntl
import os
import select
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha1
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from django.core.management import CommandError
from django.db import Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ("RunnerLock", "runner_lock")

POLL_INTERVAL = 0.5  # seconds

# The key of the advisory lock, next to those of the quorum's.
_CLASS, _OBJECT = 0x73797A7B, 0
_POSTGRES_SETTINGS = """
    SELECT set_config(name, '0', true) FROM pg_settings
    WHERE name IN ('idle_in_transaction_session_timeout', 'lock_timeout', 'statement_timeout', 'transaction_timeout')
"""
_POSTGRES_HOLDER = """
    SELECT a.pid, a.application_name, host(a.client_addr), to_char(a.xact_start, 'HH24:MI:SS')
    FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
    WHERE l.locktype = 'advisory' AND l.granted AND l.classid = %s AND l.objid = %s AND l.objsubid = 2
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class RunnerLock(ABC):
    """The right to migrate, as a context manager; `say` is told once whom this process waits for."""

    def __init__(self, connection: BaseDatabaseWrapper, say: Callable[[str], None]) -> None:
        self.connection = connection
        self.say = say

    def __enter__(self) -> Self:
        try:
            self._wait()
        except BaseException:
            self.release()
            raise
        return self

    def _wait(self) -> None:
        told = False
        while not self.acquire():
            if not told:
                self.say(f"Waiting for another process that is migrating this database{self.holder()}...")
                told = True
            time.sleep(POLL_INTERVAL)

    def __exit__(self, *_: object) -> None:
        self.release()

    @abstractmethod
    def acquire(self) -> bool:
        """Try once, without waiting."""

    @abstractmethod
    def release(self) -> None:
        """Give the lock up; also right when there is none."""

    @abstractmethod
    def check(self) -> None:
        """Raise `CommandError` if the lock is lost, so that nothing more is done beside somebody else."""

    def holder(self) -> str:
        """Say who holds the lock, beginning with a blank; nothing if that cannot be known."""
        return ""


class _Unlocked(RunnerLock):
    """Where there is nothing to lock: a database in memory, or one without locks that end with the process."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        """Nothing was taken."""

    def check(self) -> None:
        """Nothing can be lost."""


class _SessionLock(RunnerLock):
    """A lock that ends with a connection of its own."""

    def __init__(self, connection: BaseDatabaseWrapper, say: Callable[[str], None]) -> None:
        super().__init__(connection, say)
        self._session: BaseDatabaseWrapper | None = None

    def _row(self, sql: str, parameters: Any = ()) -> Any:
        if self._session is None:
            self._session = connections.create_connection(self.connection.alias)
            # The name of the database may have been changed since, as for tests.
            self._session.settings_dict = self.connection.settings_dict
            self._session.connect()
            self._opened(self._session)
        with self._session.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchone()

    def _opened(self, session: BaseDatabaseWrapper) -> None:
        """Prepare the new connection."""

    def release(self) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            with suppress(Error):  # a connection that broke holds nothing any more
                session.close()

    def check(self) -> None:
        try:
            self._row("SELECT 1")
        except Error as error:
            raise CommandError(
                "The connection that keeps other processes from migrating this database is lost, so another process "
                "may have begun. Nothing further was done; run migrate again."
            ) from error


class _PostgresLock(_SessionLock):
    """In a transaction, so that it is right behind a pooler too, which would give a session's lock to strangers."""

    def _opened(self, session: BaseDatabaseWrapper) -> None:
        session.set_autocommit(False)
        with session.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
            cursor.execute(_POSTGRES_SETTINGS)

    def check(self) -> None:
        """Ask only if the server has sent something unasked: that is how a session's end arrives."""
        if not self._is_quiet():
            super().check()

    def _is_quiet(self) -> bool:
        session: Any = self._session and self._session.connection
        if session is None or session.closed:
            return False
        waiting = select.poll()
        waiting.register(session.fileno(), select.POLLIN)
        return not waiting.poll(0)

    def acquire(self) -> bool:
        return bool(self._row("SELECT pg_try_advisory_xact_lock(%s, %s)", [_CLASS, _OBJECT])[0])

    def holder(self) -> str:
        row = self._row(_POSTGRES_HOLDER, [_CLASS, _OBJECT])
        if row is None or row[0] is None:
            return ""
        pid, application, address, since = row
        details = [
            f"process {pid} of PostgreSQL",
            application,
            address and f"from {address}",
            since and f"since {since}",
        ]
        return f" ({', '.join(filter(None, details))})"


class _MySQLLock(_SessionLock):
    @property
    def _name(self) -> str:
        """Locks are the server's, so the database is part of the name, which is limited to 64 characters."""
        digest = sha1(str(self.connection.settings_dict["NAME"]).encode(), usedforsecurity=False).hexdigest()
        return f"syzygy:{digest}"

    def acquire(self) -> bool:
        return bool(self._row("SELECT GET_LOCK(%s, 0)", [self._name])[0])

    def holder(self) -> str:
        row = self._row("SELECT IS_USED_LOCK(%s)", [self._name])
        return f" (connection {row[0]} of the server)" if row[0] else ""


class _FileLock(RunnerLock):
    """SQLite's own locks last for a transaction, and a second process would apply a migration again."""

    def __init__(self, connection: BaseDatabaseWrapper, say: Callable[[str], None], database: Path) -> None:
        super().__init__(connection, say)
        self._path = database.with_name(f"{database.name}.migrating")
        self._file: int | None = None

    def acquire(self) -> bool:
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had it may have removed the file in between; a lock on a file without a name keeps nobody out.
            if os.path.samestat(os.fstat(file), self._path.stat()):
                os.ftruncate(file, 0)
                os.write(file, str(os.getpid()).encode())
                self._file, file = file, -1
        except (BlockingIOError, FileNotFoundError):
            return False
        finally:
            if file >= 0:
                os.close(file)
        return self._file is not None

    def release(self) -> None:
        if self._file is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = None

    def check(self) -> None:
        """The kernel keeps the lock for as long as the process lives."""

    def holder(self) -> str:
        try:
            return f" (process {self._path.read_text()})"
        except OSError:
            return ""


def runner_lock(connection: BaseDatabaseWrapper, say: Callable[[str], None]) -> RunnerLock:
    """Return the lock that fits the database."""
    if connection.vendor == "postgresql":
        return _PostgresLock(connection, say)
    if connection.vendor == "mysql":
        return _MySQLLock(connection, say)
    if connection.vendor == "sqlite" and not connection.is_in_memory_db():  # type: ignore[attr-defined]
        return _FileLock(connection, say, _database_file(connection))
    return _Unlocked(connection, say)


def _database_file(connection: BaseDatabaseWrapper) -> Path:
    name = str(connection.settings_dict["NAME"])
    return Path(unquote(urlsplit(name).path) if name.startswith("file:") else name)
