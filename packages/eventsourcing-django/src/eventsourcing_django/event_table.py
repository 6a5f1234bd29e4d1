"""The table of an application's events or snapshots: its rows as the eventsourcing library's values."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from eventsourcing_django.library import (
    IS_10,
    DataError,
    Notification,
    StoredEvent,
    extras_of,
    made_notification,
    made_stored_event,
    originator_id_of,
)
from eventsourcing_django.statements import all_rows, execute, first_row

__all__ = ["EventTable", "quoted"]

_LARGEST = models.BigIntegerField.MAX_BIGINT


def _in_range(bound: int) -> int:
    """Give the number nearest to a bound that the columns can hold, which no row is beyond."""
    return max(-_LARGEST - 1, min(bound, _LARGEST))


def _parsed_uuid(originator_id: object) -> UUID:
    """Give the UUID that an aggregate's ID spells.

    Raises:
        eventsourcing.persistence.DataError: the ID is not a UUID, and the column holds nothing else.
    """
    try:
        return UUID(str(originator_id))
    except ValueError as error:
        raise DataError(
            f"The originator ID {originator_id!r} is not a UUID: tables of eventsourcing_django hold aggregates"
            " whose IDs are UUIDs, unless the application sets ORIGINATOR_ID_TYPE to 'text'"
        ) from error


def _checked_text(originator_id: object, longest: int) -> str:
    """Give the string that an aggregate's ID is.

    Raises:
        eventsourcing.persistence.DataError: it is none, it is too long for the column, or no database can hold it.
    """
    if not isinstance(originator_id, str):
        raise DataError(
            f"The originator ID {originator_id!r} is not a string, which ORIGINATOR_ID_TYPE = 'text' asks for"
        )
    if len(originator_id) > longest or "\0" in originator_id:
        raise DataError(
            f"The originator ID {originator_id!r} is no text of at most {longest} characters without a zero character"
        )
    return originator_id


def _loaded_extras(event_id: Any, metadata: Any) -> tuple[UUID | None, Any]:
    # Drivers give UUIDs as such or as text, and JSON as text or as what it says.
    return (
        event_id if event_id is None or isinstance(event_id, UUID) else UUID(event_id),
        json.loads(metadata) if isinstance(metadata, str | bytes) else metadata,
    )


def quoted(connection: BaseDatabaseWrapper, *names: str) -> str:
    """Spell names of tables and columns as the database wants them, with commas between."""
    return ", ".join(connection.ops.quote_name(name) for name in names)


class EventTable:
    """Rows of one application in the table of a model.

    Rows are read with plain cursors: a model instance per event costs more than all the rest of a read.

    Args:
        application_name: whose rows.
        model: `StoredEventRecord`, `SnapshotRecord` or a model with their fields.
        connection: to the database with the table, open or not.

    Attributes:
        holds_uuids: the IDs of aggregates are UUIDs, and strings otherwise.
        name: of the table.
        sql_name: of the table, as the database wants it in a statement.
        sql_pk: the primary key's column, likewise.
        sql_columns: those of `columns`, likewise, with commas between.
    """

    columns = ("originator_id", "originator_version", "topic", "state", *(("event_id", "metadata") if IS_10 else ()))

    def __init__(self, application_name: str, model: type[models.Model], connection: BaseDatabaseWrapper) -> None:
        self.application_name = application_name
        self.model = model
        self.name: str = model._meta.db_table  # Django's documented name
        self.sql_name = quoted(connection, self.name)
        self.sql_pk = quoted(connection, str(model._meta.pk.column))
        self.sql_columns = quoted(connection, *self.columns)
        self._sql_content = quoted(connection, *self.columns[1:])
        self._id_field: Any = model._meta.get_field("originator_id")
        self.holds_uuids = isinstance(self._id_field, models.UUIDField)
        self._extra_fields: list[Any] = [model._meta.get_field(name) for name in self.columns[4:]]

    def checked_id(self, originator_id: object) -> UUID | str:
        """Give an aggregate's ID as the column's type.

        Raises:
            eventsourcing.persistence.DataError: it is of another type.
        """
        if self.holds_uuids:
            return originator_id if isinstance(originator_id, UUID) else _parsed_uuid(originator_id)
        return _checked_text(originator_id, self._id_field.max_length)

    def _loaded_id(self, value: Any) -> Any:
        return originator_id_of(UUID(value) if self.holds_uuids and not isinstance(value, UUID) else value)

    def row_parameters(self, connection: BaseDatabaseWrapper, event: StoredEvent) -> tuple[Any, ...]:
        """Give the application's name and the values of `columns` in the form that the database's driver takes."""
        content = (
            self.application_name,
            self.id_parameter(connection, event.originator_id),
            event.originator_version,
            event.topic,
            event.state,
        )
        return (*content, *self.extra_parameters(connection, event)) if self._extra_fields else content

    def extra_parameters(self, connection: BaseDatabaseWrapper, event: StoredEvent) -> list[Any]:
        """Give the values of the columns that events of eventsourcing 10 have in addition; none for those of 9."""
        if not self._extra_fields:
            return []
        values = zip(self._extra_fields, extras_of(event), strict=True)
        return [None if value is None else field.get_db_prep_value(value, connection) for field, value in values]

    def record(self, event: StoredEvent) -> models.Model:
        """Make the model's instance for an event that is about to be inserted."""
        extras = zip((field.name for field in self._extra_fields), extras_of(event) if IS_10 else (), strict=True)
        return self.model(
            application_name=self.application_name,
            originator_id=self.checked_id(event.originator_id),
            originator_version=event.originator_version,
            topic=event.topic,
            state=event.state,
            **dict(extras),
        )

    def id_parameter(self, connection: BaseDatabaseWrapper, originator_id: object) -> UUID | str:
        """Give an aggregate's ID in the form that the column has here: a UUID, 32 digits, or text."""
        if not self.holds_uuids:
            return _checked_text(originator_id, self._id_field.max_length)
        uuid = originator_id if isinstance(originator_id, UUID) else _parsed_uuid(originator_id)
        return uuid if connection.features.has_native_uuid_field else uuid.hex

    def select_events(
        self,
        connection: BaseDatabaseWrapper,
        originator_id: object,
        *,
        gt: int | None,
        lte: int | None,
        desc: bool,
        limit: int | None,
    ) -> list[StoredEvent]:
        """Read events of one aggregate in the order of their versions."""
        conditions = ["application_name = %s", "originator_id = %s"]
        parameters: list[Any] = [self.application_name, self.id_parameter(connection, originator_id)]
        for condition, bound in (("originator_version > %s", gt), ("originator_version <= %s", lte)):
            if bound is not None:
                conditions.append(condition)
                parameters.append(_in_range(bound))
        order = "originator_version DESC" if desc else "originator_version"
        # Rows of one aggregate need not say whose they are.
        rows = self._select(connection, self._sql_content, conditions, parameters, order, limit)
        whose = originator_id_of(self.checked_id(originator_id))
        if self._extra_fields:
            return [
                made_stored_event(whose, version, topic, bytes(state), *_loaded_extras(*extras))
                for version, topic, state, *extras in rows
            ]
        return [made_stored_event(whose, version, topic, bytes(state)) for version, topic, state in rows]

    def select_notifications(
        self,
        connection: BaseDatabaseWrapper,
        *,
        start: int | None,
        inclusive_of_start: bool,
        stop: int | None,
        topics: Sequence[str],
        limit: int,
    ) -> list[Notification]:
        """Read events of the application in the order in which they were recorded."""
        key = self.sql_pk
        conditions = ["application_name = %s"]
        parameters: list[Any] = [self.application_name]
        for condition, bound in (
            (f"{key} {'>=' if inclusive_of_start else '>'} %s", start),
            (f"{key} <= %s", stop),
        ):
            if bound is not None:
                conditions.append(condition)
                parameters.append(_in_range(bound))
        if topics:
            conditions.append(f"topic IN ({', '.join(['%s'] * len(topics))})")
            parameters.extend(topics)
        rows = self._select(connection, f"{key}, {self.sql_columns}", conditions, parameters, key, limit)
        if self._extra_fields:
            return [
                made_notification(
                    position, self._loaded_id(value), version, topic, bytes(state), *_loaded_extras(*extras)
                )
                for position, value, version, topic, state, *extras in rows
            ]
        return [
            made_notification(position, self._loaded_id(value), version, topic, bytes(state))
            for position, value, version, topic, state in rows
        ]

    def max_id(self, connection: BaseDatabaseWrapper) -> int | None:
        """Give the position of the application's last event, or None if it has none."""
        statement = f"SELECT MAX({self.sql_pk}) FROM {self.sql_name} WHERE application_name = %s"  # noqa: S608
        (position,) = execute(connection, statement, [self.application_name], first_row)
        return position  # type: ignore[no-any-return]

    def positions_of(self, connection: BaseDatabaseWrapper, events: Sequence[StoredEvent]) -> list[int] | None:
        """Give the positions of events that are stored exactly as given; None if one of them is not."""
        found: dict[tuple[Any, int], tuple[int, str, bytes]] = {}
        for originator_id in {event.originator_id for event in events}:
            versions = [event.originator_version for event in events if event.originator_id == originator_id]
            conditions = ["application_name = %s", "originator_id = %s", "originator_version BETWEEN %s AND %s"]
            id_parameter = self.id_parameter(connection, originator_id)
            parameters = [self.application_name, id_parameter, min(versions), max(versions)]
            columns = f"{self.sql_pk}, originator_version, topic, state"
            rows = self._select(connection, columns, conditions, parameters, self.sql_pk)
            for position, version, topic, state in rows:
                found[originator_id, version] = (position, topic, bytes(state))
        positions = []
        for event in events:
            row = found.get((event.originator_id, event.originator_version))
            if row is None or row[1:] != (event.topic, event.state):
                return None
            positions.append(row[0])
        return positions

    def _select(
        self,
        connection: BaseDatabaseWrapper,
        columns: str,
        conditions: Sequence[str],
        parameters: Sequence[Any],
        order: str,
        limit: int | None = None,
    ) -> list[tuple[Any, ...]]:
        # Only names of the model and this module's own text are put into the statement.
        statement = f"SELECT {columns} FROM {self.sql_name} WHERE {' AND '.join(conditions)} ORDER BY {order}"  # noqa: S608
        if limit is not None:
            if limit <= 0:
                return []  # what Django takes for no limit, and databases for an error
            statement += " " + connection.ops.limit_offset_sql(0, _in_range(limit))
        rows: list[tuple[Any, ...]] = execute(connection, statement, parameters, all_rows)
        return rows
