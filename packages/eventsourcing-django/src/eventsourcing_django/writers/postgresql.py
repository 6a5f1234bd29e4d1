"""PostgreSQL: one statement per write."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from eventsourcing_django.channels import Channel, advisory_key
from eventsourcing_django.event_table import EventTable
from eventsourcing_django.library import IS_10, StoredEvent, Tracking
from eventsourcing_django.statements import all_rows, execute
from eventsourcing_django.tracking_table import TrackingTable
from eventsourcing_django.writers.interface import Writer

__all__ = ["PostgreSQLWriter"]

_TYPES = ("bigint", "text", "bytea", "uuid", "jsonb")  # of `EventTable.columns` after the ID


class PostgreSQLWriter(Writer):
    """Sends all events of a write in arrays, and takes the lock in the same statement.

    The lock is taken before the first position is drawn, because the statement sorts its rows before it inserts
    them, and is released after the commit. It leaves the table itself unlocked, so vacuuming goes on, and other
    applications do not wait. Writers of eventsourcing-django lock the whole table, which waits for these inserts
    and keeps them waiting: both can run side by side.

    Subscribers are notified in the same statement, when its transaction commits. PostgreSQL commits transactions that
    notify one at a time, so nobody is notified unless somebody listens: see `Channel`.
    """

    def __init__(
        self,
        events: EventTable | None,
        tracking: TrackingTable | None,
        ordered: bool,
        lock_timeout: float | None = None,
    ) -> None:
        super().__init__(events, tracking, ordered, lock_timeout)
        if events and ordered:
            self._ordering, self._ordering_parameters = self._order(events)
        else:
            self._ordering, self._ordering_parameters = "SELECT 1", []

    def _order(self, events: EventTable) -> tuple[str, list[Any]]:
        """Give what is evaluated, from left to right, before the first position is drawn."""
        channel = Channel(events.name, events.application_name)
        # Tables of the same name in several schemas are several tables, whichever search path leads to them.
        table = events.sql_name.replace("'", "''")
        lock = f"pg_advisory_xact_lock(%s::bigint # '{table}'::regclass::oid::bigint)"
        parameters: list[Any] = [advisory_key(events.application_name)]
        if self._lock_timeout:
            # The setting would last until the end of the caller's transaction, and belongs to this lock only.
            lock = f"set_config('lock_timeout', %s, true), {lock}, set_config('lock_timeout', usual.lock_timeout, true)"
            parameters.insert(0, f"{round(self._lock_timeout * 1000)}ms")
        notify = "CASE WHEN NOT pg_try_advisory_xact_lock(%s::bigint) THEN pg_notify(%s, '')::text END"
        return f"SELECT {lock}, {notify}", [*parameters, channel.key, channel.name]

    def takes_several(self, events: Sequence[StoredEvent], tracking: Tracking | None) -> bool:  # noqa: ARG002
        """Never: it is one statement, whatever is written."""
        return False

    def write(
        self, connection: BaseDatabaseWrapper, events: Sequence[StoredEvent], tracking: Tracking | None
    ) -> list[int]:
        """Insert events and advance the tracking in one statement."""
        rows = execute(connection, *self._statement(connection, events, tracking), all_rows)
        if tracking is not None and not rows:
            raise self.refuse(tracking)
        return [position for (position,) in rows] if events else []

    def _statement(
        self, connection: BaseDatabaseWrapper, events: Sequence[StoredEvent], tracking: Tracking | None
    ) -> tuple[str, list[Any]]:
        if tracking is None:
            return self._insert, self._insert_parameters(connection, events)
        parameters: list[Any] = list(self.tracking.advance_parameters(tracking))
        if not events:
            return self._advance, parameters
        return self._advance_and_insert, parameters + self._insert_parameters(connection, events)

    @cached_property
    def _insert(self) -> str:
        return self._insert_after("")

    @cached_property
    def _advance(self) -> str:
        return f"{self.tracking.advance_statement()} RETURNING 1"

    @cached_property
    def _advance_and_insert(self) -> str:
        # No row comes out of the common table expression if the position has been passed, and then none goes in.
        return f"WITH advanced AS ({self._advance}) {self._insert_after('advanced')}"

    def _insert_after(self, source: str) -> str:
        table = self.events
        return (
            f"INSERT INTO {table.sql_name} (application_name, {table.sql_columns})"  # noqa: S608  # names of the model
            f" SELECT %s::varchar, {table.sql_columns}"
            f" FROM ({self._ordering}{self._source(source)}) ordering_lock, unnest({self._arrays()}) WITH ORDINALITY"
            f" AS event ({table.sql_columns}, place) ORDER BY event.place RETURNING {table.sql_pk}"
        )

    def _insert_parameters(self, connection: BaseDatabaseWrapper, events: Sequence[StoredEvent]) -> list[Any]:
        table = self.events
        return [
            table.application_name,
            *self._ordering_parameters,
            [table.checked_id(event.originator_id) for event in events],
            [event.originator_version for event in events],
            [event.topic for event in events],
            [event.state for event in events],
            *self._extra_arrays(connection, events),
        ]

    def _arrays(self) -> str:
        id_type = "uuid" if self.events.holds_uuids else "text"
        types = [id_type, *_TYPES][: len(EventTable.columns)]
        return ", ".join(f"%s::{each}[]" for each in types)

    def _extra_arrays(self, connection: BaseDatabaseWrapper, events: Sequence[StoredEvent]) -> list[list[Any]]:
        if not IS_10:
            return []
        extras = [self.events.extra_parameters(connection, event) for event in events]
        return [list(column) for column in zip(*extras, strict=True)]

    def _source(self, after: str) -> str:
        usual = "(SELECT current_setting('lock_timeout') AS lock_timeout OFFSET 0) usual"
        sources = [*([usual] if self._lock_timeout and self._ordered else []), *([after] if after else [])]
        return f" FROM {', '.join(sources)}" if sources else ""
