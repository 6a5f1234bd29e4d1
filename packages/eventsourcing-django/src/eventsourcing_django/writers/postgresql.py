"""PostgreSQL: one statement per write."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from eventsourcing.persistence import StoredEvent, Tracking

from eventsourcing_django.event_table import EventTable, as_uuid, quoted
from eventsourcing_django.tracking_table import TrackingTable
from eventsourcing_django.writers.interface import Writer

__all__ = ["PostgreSQLWriter", "advisory_key"]


def advisory_key(table: str, application_name: str) -> int:
    """Give the number of the advisory lock that orders the events of an application, the same in every process."""
    digest = blake2b(f"eventsourcing_django:{table}:{application_name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


class PostgreSQLWriter(Writer):
    """Sends all events of a write in arrays, and takes the lock in the same statement.

    The lock is taken before the first position is drawn, because the statement sorts its rows before it inserts
    them, and is released after the commit. It leaves the table itself unlocked, so vacuuming goes on, and other
    applications do not wait. Writers of eventsourcing-django lock the whole table, which waits for these inserts
    and keeps them waiting: both can run side by side.
    """

    def __init__(self, events: EventTable | None, tracking: TrackingTable | None, ordered: bool) -> None:
        super().__init__(events, tracking, ordered)
        self._key = advisory_key(events.name, events.application_name) if events else 0

    def statements(self, events: Sequence[StoredEvent], tracking: Tracking | None) -> int:  # noqa: ARG002
        """One, whatever is written."""
        return 1

    def write(
        self, connection: BaseDatabaseWrapper, events: Sequence[StoredEvent], tracking: Tracking | None
    ) -> list[int]:
        """Insert events and advance the tracking in one statement."""
        statement, parameters = self._statement(connection, events, tracking)
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            rows = cursor.fetchall()
        if tracking is not None and not rows:
            raise self.refuse(tracking)
        return [position for (position,) in rows] if events else []

    def _statement(
        self, connection: BaseDatabaseWrapper, events: Sequence[StoredEvent], tracking: Tracking | None
    ) -> tuple[str, list[Any]]:
        if tracking is None:
            return self._insert(connection, events, "")
        advance = f"{self.tracking.advance_statement()} RETURNING 1"
        parameters: list[Any] = list(self.tracking.advance_parameters(tracking))
        if not events:
            return advance, parameters
        # No row comes out of the common table expression if the position has been passed, and then none goes in.
        insert, insert_parameters = self._insert(connection, events, " FROM advanced")
        return f"WITH advanced AS ({advance}) {insert}", parameters + insert_parameters

    def _insert(
        self, connection: BaseDatabaseWrapper, events: Sequence[StoredEvent], source: str
    ) -> tuple[str, list[Any]]:
        lock = "pg_advisory_xact_lock(%s::bigint)" if self._ordered else "%s::bigint"
        statement = (
            f"INSERT INTO {quoted(connection, self.events.name)}"  # noqa: S608  # names of the model
            f" ({quoted(connection, 'application_name', *EventTable.columns)})"
            " SELECT %s::varchar, event.originator_id, event.originator_version, event.topic, event.state"
            f" FROM (SELECT {lock}{source}) ordering_lock,"
            " unnest(%s::uuid[], %s::bigint[], %s::text[], %s::bytea[]) WITH ORDINALITY"
            " AS event (originator_id, originator_version, topic, state, place)"
            f" ORDER BY event.place RETURNING {quoted(connection, self.events.pk)}"
        )
        binary = connection.Database.Binary  # type: ignore[attr-defined]
        return statement, [
            self.events.application_name,
            self._key,
            [as_uuid(event.originator_id) for event in events],
            [event.originator_version for event in events],
            [event.topic for event in events],
            [binary(event.state) for event in events],
        ]
