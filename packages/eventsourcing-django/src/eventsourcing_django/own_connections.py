"""Connections that recorders open: given up when dead, and closed when nobody is left to close them."""

import select
import threading
from copy import deepcopy
from typing import Any

import django.db
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from eventsourcing_django.errors import sqlstate_of

__all__ = [
    "DedicatedSession",
    "close_when_thread_ends",
    "drop_dead_connection",
    "is_free",
    "is_pooled",
    "was_deadlocked",
    "was_lost",
]

_thread = threading.local()
# Said by a server that has become a replica, to which sessions from before still lead: the SQLSTATE of PostgreSQL, and
# the error numbers of MariaDB and MySQL.
_READ_ONLY_SQLSTATE = "25006"
_READ_ONLY_NUMBERS = frozenset({1290, 1792, 1836})
# Of the transaction that ends a deadlock.
_DEADLOCK_SQLSTATE = "40P01"
_DEADLOCK_NUMBER = 1213


def is_free(connection: BaseDatabaseWrapper) -> bool:
    """Say whether nothing is lost with the connection: no transaction is open on it."""
    return not connection.in_atomic_block and (connection.connection is None or connection.get_autocommit())


def is_pooled(connection: BaseDatabaseWrapper) -> bool:
    """Say whether the connection comes from a pool of Django's (``OPTIONS["pool"]``)."""
    return bool(connection.settings_dict.get("OPTIONS", {}).get("pool"))


def drop_dead_connection(connection: BaseDatabaseWrapper) -> None:
    """Close a free connection whose server has closed it, before anything is sent over it.

    A server has nothing to say to a client that has not asked, except that it closes the connection. So one whose
    socket has something to read, which is seen without a round trip, is tried.
    """
    session: Any = connection.connection
    if session is None or connection.vendor != "postgresql" or not is_free(connection):
        return
    if session.closed or (_has_something_to_read(session.fileno()) and not connection.is_usable()):
        connection.close()


def _has_something_to_read(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def was_lost(connection: BaseDatabaseWrapper, error: django.db.Error) -> bool:
    """Say whether an error came of a lost connection, or of one to a server that is now read-only, and close it.

    A connection on which a transaction is open is left alone: only whoever opened it can begin again.
    """
    if not isinstance(error, django.db.OperationalError | django.db.InterfaceError | django.db.InternalError):
        return False
    if not is_free(connection) or connection.vendor == "sqlite":
        return False
    if connection.connection is not None and connection.is_usable() and not _says_read_only(error):
        return False
    connection.close()
    return True


def was_deadlocked(connection: BaseDatabaseWrapper, error: django.db.Error) -> bool:
    """Say whether the database chose this transaction to end a deadlock, and nobody but us has statements in it."""
    return is_free(connection) and (sqlstate_of(error) == _DEADLOCK_SQLSTATE or error.args[:1] == (_DEADLOCK_NUMBER,))


def _says_read_only(error: django.db.Error) -> bool:
    return sqlstate_of(error) == _READ_ONLY_SQLSTATE or not _READ_ONLY_NUMBERS.isdisjoint(error.args[:1])


class _ThreadsConnections:
    """Closes connections when the thread-local storage that holds it is cleared, which is when the thread ends."""

    def __init__(self) -> None:
        self.opened: set[BaseDatabaseWrapper] = set()

    def __del__(self) -> None:
        for connection in self.opened:
            try:
                connection.close()
            except django.db.Error:
                # It was dead already, and there is nobody left to tell.
                continue


def close_when_thread_ends(connection: BaseDatabaseWrapper) -> None:
    """Close the calling thread's connection when the thread ends.

    Threads that runners and subscriptions start are ended by the eventsourcing library, which knows nothing of
    Django's connections. The main thread's stay open, as Django leaves them.
    """
    if threading.current_thread() is threading.main_thread():
        return
    if not hasattr(_thread, "connections"):
        _thread.connections = _ThreadsConnections()
    _thread.connections.opened.add(connection)


class DedicatedSession:
    """A database session of its own, which no pool takes back and no request closes.

    It is for what lives as long as a session: advisory locks and listening. It belongs to the thread that makes it.

    Args:
        alias: a key of ``DATABASES``.

    Attributes:
        alias: as given.

    Raises:
        django.db.Error: the database cannot be reached.
    """

    def __init__(self, alias: str) -> None:
        self.alias = alias
        usual = connections[alias]
        settings = deepcopy(usual.settings_dict)
        settings.get("OPTIONS", {}).pop("pool", None)
        settings["CONN_MAX_AGE"] = None
        self._connection: BaseDatabaseWrapper = type(usual)(settings, alias)
        self._connection.ensure_connection()
        close_when_thread_ends(self._connection)

    @property
    def driver_connection(self) -> Any:
        """The connection of the database's driver."""
        return self._connection.connection

    def fetch_value(self, statement: str, parameters: list[Any] | None = None) -> Any:
        """Run a statement and return the first column of its first row, None if it gives no rows."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None

    def close(self) -> None:
        """End the session, and what it holds."""
        self._connection.close()
        if hasattr(_thread, "connections"):
            _thread.connections.opened.discard(self._connection)
