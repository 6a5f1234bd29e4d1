"""SQLite: one writer at a time, so the order of positions takes care of itself."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from eventsourcing_django.event_table import EventTable
from eventsourcing_django.library import DataError, StoredEvent, Tracking
from eventsourcing_django.statements import execute, last_row_id, row_count
from eventsourcing_django.writers.interface import Writer

__all__ = ["SQLiteWriter"]

_PARAMETERS_PER_STATEMENT = 999  # the lowest limit of the SQLite versions that Django supports
_ROW = f"({', '.join(['%s'] * (1 + len(EventTable.columns)))})"
_ROWS_PER_STATEMENT = _PARAMETERS_PER_STATEMENT // _ROW.count("%s")


class SQLiteWriter(Writer):
    """Sends many events in a statement, at most as many as SQLite takes parameters."""

    def takes_several(self, events: Sequence[StoredEvent], tracking: Tracking | None) -> bool:
        """There is one for the tracking, and one per 199 events."""
        return len(events) > (_ROWS_PER_STATEMENT if tracking is None else 0)

    def write(
        self, connection: BaseDatabaseWrapper, events: Sequence[StoredEvent], tracking: Tracking | None
    ) -> list[int]:
        """Advance the tracking, then insert the events."""
        try:
            if self._lock_timeout is None:
                return self._write(connection, events, tracking)
            with self._patience(connection, self._lock_timeout):
                return self._write(connection, events, tracking)
        except OverflowError as error:  # the driver's, where the servers refuse the number themselves
            raise DataError(f"A version or a position does not fit into 64 bits: {error}") from error

    @staticmethod
    @contextmanager
    def _patience(connection: BaseDatabaseWrapper, seconds: float) -> Iterator[None]:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout")
            (usual,) = cursor.fetchone()
            cursor.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}")
            try:
                yield
            finally:
                cursor.execute(f"PRAGMA busy_timeout = {usual}")

    def _write(
        self, connection: BaseDatabaseWrapper, events: Sequence[StoredEvent], tracking: Tracking | None
    ) -> list[int]:
        if tracking is not None:
            self._advance(connection, tracking)
        if len(events) == 1:  # nearly always
            parameters = self.events.row_parameters(connection, events[0])
            return [execute(connection, self._insert_one, parameters, last_row_id)]
        return [position for batch in _batches(events) for position in self._insert(connection, batch)]

    def _advance(self, connection: BaseDatabaseWrapper, tracking: Tracking) -> None:
        parameters = self.tracking.advance_parameters(tracking)
        if execute(connection, self.tracking.advance_statement(), parameters, row_count) != 1:
            raise self.refuse(tracking)

    @cached_property
    def _insert_one(self) -> str:
        return _insert_statement(self.events.sql_name, self.events.sql_columns, 1)

    def _insert(self, connection: BaseDatabaseWrapper, events: Sequence[StoredEvent]) -> range:
        table = self.events
        parameters: list[Any] = []
        for event in events:
            parameters += table.row_parameters(connection, event)
        statement = _insert_statement(table.sql_name, table.sql_columns, len(events))
        last = execute(connection, statement, parameters, last_row_id)
        # One statement of the only writer numbers its rows without a gap.
        return range(last - len(events) + 1, last + 1)


def _batches(events: Sequence[StoredEvent]) -> Iterator[Sequence[StoredEvent]]:
    for first in range(0, len(events), _ROWS_PER_STATEMENT):
        yield events[first : first + _ROWS_PER_STATEMENT]


@lru_cache
def _insert_statement(table: str, columns: str, number: int) -> str:
    rows = ", ".join([_ROW] * number)
    return f"INSERT INTO {table} (application_name, {columns}) VALUES {rows}"  # noqa: S608  # names of the model
