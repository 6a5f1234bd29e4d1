"""Who of several processes runs a follower: one at a time, and another one as soon as it has died.

An election saves work; that each event is processed once does not depend on it, but on the unique positions.
"""

import fcntl
import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import django.db
from django.db import connections

from eventsourcing_django.channels import advisory_key
from eventsourcing_django.database import RecorderDatabase
from eventsourcing_django.library import PersistenceError
from eventsourcing_django.models import NotificationTrackingRecord
from eventsourcing_django.own_connections import DedicatedSession
from eventsourcing_django.statements import execute, first_row

__all__ = ["Election", "NoElection", "UnsupportedElectionError", "election_in"]

_logger = logging.getLogger(__name__)
_TRACKING = NotificationTrackingRecord._meta.db_table  # Django's documented name


@dataclass(frozen=True)
class _SessionLocks:
    """Statements about locks that end with a session.

    Attributes:
        tables: gives what tells the tables of followers from others that the locks are shared with.
        try_lock: gives a true value if the lock of its parameter was free.
        release_all: gives up all locks of the session.
    """

    tables: str
    try_lock: str
    release_all: str


_LOCKS = {
    # Known in the whole database, of which each schema may have followers of the same names.
    "postgresql": _SessionLocks(
        f"SELECT to_regclass('{_TRACKING}')::oid::text",
        "SELECT pg_try_advisory_lock(%s::bigint)",
        "SELECT pg_advisory_unlock_all()",
    ),
    # Known in the whole server, of which each database may.
    "mysql": _SessionLocks("SELECT DATABASE()", "SELECT GET_LOCK(%s, 0)", "SELECT RELEASE_ALL_LOCKS()"),
}


class UnsupportedElectionError(Exception):
    """Raised for a database that has no lock which ends with the process that holds it."""


class Election(ABC):
    """Locks of followers, in one of the databases.

    Attributes:
        held: the names of the followers whose lock this process had when it last looked.
        error: the class of the error that kept it from looking, or None.
    """

    def __init__(self) -> None:
        self.held: set[str] = set()
        self.error: str | None = None

    @abstractmethod
    def renew(self, followers: Iterable[str]) -> None:
        """Find out which locks are still held, and try to get the others, without waiting."""

    @abstractmethod
    def close(self) -> None:
        """Give up all locks."""


class NoElection(Election):
    """Everybody is elected: the database is this process's own, or the user sees to it that there is one process."""

    def renew(self, followers: Iterable[str]) -> None:
        """Hold all."""
        self.held |= set(followers)

    def close(self) -> None:
        """Hold none."""
        self.held.clear()


class _SessionElection(Election):
    """Locks of a database session, which end with it.

    Args:
        alias: the database.
        locks: of its vendor.
    """

    def __init__(self, alias: str, locks: _SessionLocks) -> None:
        super().__init__()
        self._alias = alias
        self._locks = locks
        self._tables: str | None = None
        self._session: DedicatedSession | None = None

    def renew(self, followers: Iterable[str]) -> None:
        try:
            self._ask(set(followers) - self.held)
            self.error = None
        except (django.db.Error, PersistenceError) as error:
            if self.error is None:
                _logger.warning("Lost the session of the election on %r: %s", self._alias, type(error).__name__)
            self.error = type(error).__qualname__
            self.close()

    def _ask(self, wanted: set[str]) -> None:
        self._tables = self._tables or self._ask_for_tables()
        if self._session is None:
            self._session = DedicatedSession(self._alias)
        if not wanted:
            self._session.fetch_value("SELECT 1")
        for name in sorted(wanted):
            lock = advisory_key("run_followers", str(self._tables), name)
            if self._session.fetch_value(self._locks.try_lock, [str(lock)]):
                self.held.add(name)

    def _ask_for_tables(self) -> str | None:
        # Asked where followers ask: their connection may have chosen a schema, which a session of its own has not.
        database = RecorderDatabase(NotificationTrackingRecord, self._alias)
        (tables,) = database.read(lambda connection: execute(connection, self._locks.tables, (), first_row))
        return tables  # type: ignore[no-any-return]

    def close(self) -> None:
        self.held.clear()
        if self._session is not None:
            session, self._session = self._session, None
            try:
                # A server ends a closed session when it gets to it; the successor should not have to wait for that.
                session.fetch_value(self._locks.release_all)
            except django.db.Error:
                _logger.debug("The session of the election on %r was dead already", self._alias)
            finally:
                session.close()


class _FileElection(Election):
    """Locked files beside a SQLite file, which the operating system unlocks when the process ends, however it ends.

    Args:
        database: the SQLite file.
    """

    def __init__(self, database: Path) -> None:
        super().__init__()
        self._database = database
        self._descriptors: dict[str, int] = {}

    def renew(self, followers: Iterable[str]) -> None:
        for name in set(followers) - self.held:
            digest = advisory_key("run_followers", name).to_bytes(8, signed=True).hex()
            path = self._database.with_name(f"{self._database.name}-follower-{digest}.lock")
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                continue
            self._descriptors[name] = descriptor
            self.held.add(name)

    def close(self) -> None:
        self.held.clear()
        while self._descriptors:
            os.close(self._descriptors.popitem()[1])


def election_in(alias: str) -> Election:
    """Make the election of the followers that keep their positions in a database.

    PostgreSQL has advisory locks, MySQL and MariaDB have `GET_LOCK`: both end with a session of their own, so there
    must be no pooler in between that shares sessions. SQLite has files, on one machine, beside its own.

    Raises:
        UnsupportedElectionError: it is another kind of database.
    """
    connection: Any = connections[alias]
    if connection.vendor in _LOCKS:
        return _SessionElection(alias, _LOCKS[connection.vendor])
    if connection.vendor != "sqlite":
        raise UnsupportedElectionError(f"There is no election in {alias!r}, which is a {connection.vendor} database")
    if connection.is_in_memory_db():
        return NoElection()
    return _FileElection(_file_of(connection.settings_dict["NAME"]))


def _file_of(name: str | Path) -> Path:
    """Give the file of a SQLite database, whose name may be a URI (``file:events.sqlite3?cache=private``)."""
    is_uri = str(name).startswith("file:")
    return Path(unquote(urlsplit(str(name)).path) if is_uri else name)
