"""The one database that a recorder reads and writes."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

import django.db
from django.db import connections, models, router
from django.db.backends.base.base import BaseDatabaseWrapper

from eventsourcing_django import library
from eventsourcing_django.errors import UnknownDatabaseError, translated
from eventsourcing_django.own_connections import (
    close_when_thread_ends,
    drop_dead_connection,
    is_free,
    is_pooled,
    was_deadlocked,
    was_lost,
)
from eventsourcing_django.sqlite_journal import journal_modes, prepare_journal, use_write_ahead_log
from eventsourcing_django.thread_connections import connection_of
from eventsourcing_django.write_transactions import write_transaction

__all__ = ["RecorderDatabase"]

_T = TypeVar("_T")
_memory_locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)


class RecorderDatabase:
    """A database alias, settled once, with the transactions, locks and errors that recorders need.

    Events, tracking, locks and reads have to meet in one database: a router that sends reads to a replica, or one
    model elsewhere than another, would otherwise tear them apart.

    Outside a transaction a lost connection is made anew. Inside one it is an error, because what the transaction
    did before is lost as well.

    Args:
        model: decides, through the project's database routers, where rows are written.
        using: an alias of ``DATABASES``; None asks the routers.

    Raises:
        UnknownDatabaseError: ``DATABASES`` has no such alias.
    """

    def __init__(self, model: type[models.Model], using: str | None = None) -> None:
        self.alias: str = using or router.db_for_write(model)
        if self.alias not in connections.settings:
            known = ", ".join(sorted(connections.settings))
            raise UnknownDatabaseError(
                f"The database {self.alias!r} for events is not in DATABASES (which has: {known}); check the"
                " application's DJANGO_DB_ALIAS and the project's DATABASE_ROUTERS"
            )
        self.vendor: str = self.connection.vendor
        self._memory_lock = self._lock_of_memory()
        self.lock: AbstractContextManager[object] = self._memory_lock or nullcontext()
        if self.vendor == "sqlite":
            use_write_ahead_log(self.alias)

    def _lock_of_memory(self) -> AbstractContextManager[object] | None:
        # Threads that share an in-memory SQLite database fail at once, without waiting, when they meet in a table.
        # Re-entrant, because a signal receiver may read through the recorder that is just writing.
        if self.vendor == "sqlite" and self.connection.is_in_memory_db():  # type: ignore[attr-defined]
            return _memory_locks[str(self.connection.settings_dict["NAME"])]
        return None

    @property
    def connection(self) -> BaseDatabaseWrapper:
        """The calling thread's connection."""
        return connection_of(self.alias)

    @contextmanager
    def connected(self) -> Iterator[BaseDatabaseWrapper]:
        """Use the calling thread's connection, and leave it as it was: what was opened for this goes back to its pool.

        Raises:
            eventsourcing.persistence.PersistenceError: in place of Django's errors.
        """
        with self.lock:
            connection = self.connection
            try:
                drop_dead_connection(connection)
                opened = connection.connection is None
                prepare_journal(connection)
                try:
                    yield connection
                finally:
                    if opened:
                        self._leave(connection)
            except django.db.Error as error:
                raise translated(error, self.alias) from error

    @staticmethod
    def _leave(connection: BaseDatabaseWrapper) -> None:
        if is_pooled(connection) and is_free(connection):
            connection.close()
        else:
            close_when_thread_ends(connection)

    def read(self, operation: Callable[[BaseDatabaseWrapper], _T]) -> _T:
        """Run statements that change nothing; once more if the connection was lost meanwhile."""
        connection = connection_of(self.alias)
        if not self._is_ready(connection):
            with self.connected() as connection:
                return self._read(connection, operation)
        try:
            return self._read(connection, operation)
        except django.db.Error as error:
            raise translated(error, self.alias) from error

    @staticmethod
    def _read(connection: BaseDatabaseWrapper, operation: Callable[[BaseDatabaseWrapper], _T]) -> _T:
        try:
            return operation(connection)
        except django.db.Error as error:
            if not was_lost(connection, error):
                raise
        return operation(connection)

    def write(
        self,
        operation: Callable[[BaseDatabaseWrapper], _T],
        *,
        several: bool,
        stored: Callable[[BaseDatabaseWrapper], _T | None] | None,
    ) -> _T:
        """Run statements that change something, all or none.

        If the connection was lost, nobody knows whether the change was made. It is made once more, which the unique
        constraints refuse if it had been.

        Args:
            operation: the statements.
            several: there is more than one. A single one is atomic by itself and saves the round trips of a
                transaction, unless the caller is in one that has to stay usable if the statement fails.
            stored: after the repetition was refused, gives what `operation` would have given if what is stored is
                the very change, and None if it may be somebody else's. None in its place: do not repeat.
        """
        connection = connection_of(self.alias)
        if not self._is_ready(connection):
            with self.connected() as connection:
                return self._write(connection, operation, several, stored)
        try:
            return self._write(connection, operation, several, stored)
        except django.db.Error as error:
            raise translated(error, self.alias) from error

    def _write(
        self,
        connection: BaseDatabaseWrapper,
        operation: Callable[[BaseDatabaseWrapper], _T],
        several: bool,
        stored: Callable[[BaseDatabaseWrapper], _T | None] | None,
    ) -> _T:
        try:
            return self._transact(connection, operation, several)
        except django.db.Error as error:
            if stored is not None and was_deadlocked(connection, error):
                # All of it has been taken back, and the other transaction of the deadlock has gone on.
                return self._write(connection, operation, several, stored)
            if not was_lost(connection, error) or stored is None:
                raise
            lost = error
        try:
            return self._transact(connection, operation, several)
        except (django.db.IntegrityError, library.IntegrityError) as refused:
            result = stored(connection)
            if result is None:
                raise refused from lost
            return result

    def _transact(
        self, connection: BaseDatabaseWrapper, operation: Callable[[BaseDatabaseWrapper], _T], several: bool
    ) -> _T:
        # What `get_autocommit()` says of an open connection, which it makes sure of first, at some length.
        autocommit = connection.autocommit if connection.connection is not None else connection.get_autocommit()
        if several or connection.in_atomic_block or not autocommit:
            with write_transaction(self.alias):
                return operation(connection)
        return operation(connection)

    def _is_ready(self, connection: BaseDatabaseWrapper) -> bool:
        if connection.connection is None or self._memory_lock:
            return False
        if self.vendor == "postgresql":
            drop_dead_connection(connection)
            return connection.connection is not None
        return self.vendor != "sqlite" or str(connection.settings_dict["NAME"]) in journal_modes
