"""SQLite: one writer at a time, so the order of positions takes care of itself."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db.backends.base.base import BaseDatabaseWrapper

from eventsourcing_django.event_table import EventTable, quoted
from eventsourcing_django.library import StoredEvent, Tracking
from eventsourcing_django.writers.interface import Writer

__all__ = ["SQLiteWriter"]

_PARAMETERS_PER_STATEMENT = 999  # the lowest limit of the SQLite versions that Django supports
_ROWS_PER_STATEMENT = _PARAMETERS_PER_STATEMENT // (1 + len(EventTable.columns))


class SQLiteWriter(Writer):
    """Sends many events in a statement, at most as many as SQLite takes parameters."""

    def statements(self, events: Sequence[StoredEvent], tracking: Tracking | None) -> int:
        """One for the tracking, and one per 199 events."""
        return -(-len(events) // _ROWS_PER_STATEMENT) + (tracking is not None)

    def write(
        self, connection: BaseDatabaseWrapper, events: Sequence[StoredEvent], tracking: Tracking | None
    ) -> list[int]:
        """Advance the tracking, then insert the events."""
        with self._patience(connection):
            return self._write(connection, events, tracking)

    @contextmanager
    def _patience(self, connection: BaseDatabaseWrapper) -> Iterator[None]:
        if self._lock_timeout is None:
            yield
            return
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout")
            (usual,) = cursor.fetchone()
            cursor.execute(f"PRAGMA busy_timeout = {round(self._lock_timeout * 1000)}")
            try:
                yield
            finally:
                cursor.execute(f"PRAGMA busy_timeout = {usual}")

    def _write(
        self, connection: BaseDatabaseWrapper, events: Sequence[StoredEvent], tracking: Tracking | None
    ) -> list[int]:
        if tracking is not None:
            self._advance(connection, tracking)
        positions: list[int] = []
        for first in range(0, len(events), _ROWS_PER_STATEMENT):
            positions += self._insert(connection, events[first : first + _ROWS_PER_STATEMENT])
        return positions

    def _advance(self, connection: BaseDatabaseWrapper, tracking: Tracking) -> None:
        with connection.cursor() as cursor:
            cursor.execute(self.tracking.advance_statement(), self.tracking.advance_parameters(tracking))
            if cursor.rowcount != 1:
                raise self.refuse(tracking)

    def _insert(self, connection: BaseDatabaseWrapper, events: Sequence[StoredEvent]) -> list[int]:
        row = f"({', '.join(['%s'] * (1 + len(EventTable.columns)))})"
        statement = (
            f"INSERT INTO {quoted(connection, self.events.name)}"  # noqa: S608  # names of the model
            f" ({quoted(connection, 'application_name', *EventTable.columns)})"
            f" VALUES {', '.join([row] * len(events))}"
        )
        parameters = [
            value
            for event in events
            for value in (self.events.application_name, *self.events.parameters(connection, event))
        ]
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            last = cursor.lastrowid
        # One statement of the only writer numbers its rows without a gap.
        return list(range(last - len(events) + 1, last + 1))
