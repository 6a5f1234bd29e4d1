"""The one database that a recorder reads and writes."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from django.db import connections, models, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from eventsourcing_django.errors import UnknownDatabaseError, translated_errors
from eventsourcing_django.sqlite_journal import prepare_journal, use_write_ahead_log

__all__ = ["RecorderDatabase"]

_memory_locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)


class RecorderDatabase:
    """A database alias, settled once, with the transactions, locks and errors that recorders need.

    Events, tracking, locks and reads have to meet in one database: a router that sends reads to a replica, or one
    model elsewhere than another, would otherwise tear them apart.

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
        self.lock: AbstractContextManager[object] = self._process_lock()
        if self.vendor == "sqlite":
            use_write_ahead_log(self.alias)

    def _process_lock(self) -> AbstractContextManager[object]:
        # Threads that share an in-memory SQLite database fail at once, without waiting, when they meet in a table.
        # Re-entrant, because a signal receiver may read through the recorder that is just writing.
        if self.vendor == "sqlite" and self.connection.is_in_memory_db():  # type: ignore[attr-defined]
            return _memory_locks[str(self.connection.settings_dict["NAME"])]
        return nullcontext()

    @property
    def connection(self) -> BaseDatabaseWrapper:
        """The calling thread's connection."""
        return connections[self.alias]

    @contextmanager
    def reading(self) -> Iterator[BaseDatabaseWrapper]:
        """Run statements that change nothing."""
        with translated_errors(self.alias), self.lock:
            connection = self.connection
            prepare_journal(connection)
            yield connection

    @contextmanager
    def writing(self, *, several: bool = False) -> Iterator[BaseDatabaseWrapper]:
        """Run statements that change something, all or none.

        Args:
            several: there is more than one statement. A single one is atomic by itself and saves the round trips
                of a transaction, unless the caller is in one that has to stay usable if the statement fails.
        """
        with self.reading() as connection:
            if several or connection.in_atomic_block or not connection.get_autocommit():
                with transaction.atomic(using=self.alias):
                    yield connection
            else:
                yield connection
