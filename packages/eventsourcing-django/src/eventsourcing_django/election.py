"""Who of several processes runs a follower: one at a time, and another one as soon as it has died.

An election saves work; that each event is processed once does not depend on it, but on the unique positions.
"""

import fcntl
import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import django.db
from django.db import connections

from eventsourcing_django.channels import advisory_key
from eventsourcing_django.own_connections import DedicatedSession

__all__ = ["Election", "NoElection", "UnsupportedElectionError", "election_in"]

_logger = logging.getLogger(__name__)
# Names of locks are the whole server's there, and another database of it may have a follower of the same name.
_MYSQL_TRY_LOCK = "SELECT GET_LOCK(CONCAT(%s, ':', LEFT(SHA2(DATABASE(), 256), 40)), 0)"


class UnsupportedElectionError(Exception):
    """Raised for a database that has no lock which ends with the process that holds it."""


class Election(ABC):
    """Locks of followers, in one of the databases.

    Attributes:
        held: the names of the followers whose lock this process had when it last looked.
    """

    def __init__(self) -> None:
        self.held: set[str] = set()

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
        try_lock: a query that gives a true value if the lock of its parameter was free.
        release_all: a query that gives up all locks of the session.
    """

    def __init__(self, alias: str, try_lock: str, release_all: str) -> None:
        super().__init__()
        self._alias = alias
        self._try_lock = try_lock
        self._release_all = release_all
        self._session: DedicatedSession | None = None

    def renew(self, followers: Iterable[str]) -> None:
        try:
            self._ask(set(followers) - self.held)
        except django.db.Error as error:
            _logger.warning("Lost the session of the election on %r: %s", self._alias, type(error).__name__)
            self.close()

    def _ask(self, wanted: set[str]) -> None:
        if self._session is None:
            self._session = DedicatedSession(self._alias)
        if not wanted:
            self._session.fetch_value("SELECT 1")
        for name in sorted(wanted):
            if self._session.fetch_value(self._try_lock, [str(advisory_key("run_followers", name))]):
                self.held.add(name)

    def close(self) -> None:
        self.held.clear()
        if self._session is not None:
            session, self._session = self._session, None
            try:
                # A server ends a closed session when it gets to it; the successor should not have to wait for that.
                session.fetch_value(self._release_all)
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
    if connection.vendor == "postgresql":
        return _SessionElection(alias, "SELECT pg_try_advisory_lock(%s::bigint)", "SELECT pg_advisory_unlock_all()")
    if connection.vendor == "mysql":
        return _SessionElection(alias, _MYSQL_TRY_LOCK, "SELECT RELEASE_ALL_LOCKS()")
    if connection.vendor != "sqlite":
        raise UnsupportedElectionError(f"There is no election in {alias!r}, which is a {connection.vendor} database")
    if connection.is_in_memory_db():
        return NoElection()
    return _FileElection(Path(connection.settings_dict["NAME"]))
