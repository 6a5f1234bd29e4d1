"""The eventsourcing library's persistence interface, as the rest of the package sees it.

Supported are 9.4 and 9.5, which agree in everything below. What a later version changes is changed here: 10.0.0a8
moves its errors to `eventsourcing.errors` and calls a version that exists a `RecordConflictError`, gives stored events
a ``uuid`` and ``metadata`` and text IDs only, says ``context_name`` for the application of a `Tracking`, and has
`insert_events` return the last position. It is not supported: `pyproject.toml` asks for a version below 10.
"""

from collections.abc import Sequence
from typing import Any

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    DatabaseError,
    DataError,
    InfrastructureFactory,
    IntegrityError,
    InterfaceError,
    InternalError,
    Notification,
    NotSupportedError,
    OperationalError,
    PersistenceError,
    ProcessRecorder,
    ProgrammingError,
    StoredEvent,
    Subscription,
    Tracking,
    TrackingRecorder,
)

__all__ = [
    "AggregateRecorder",
    "ApplicationRecorder",
    "DataError",
    "DatabaseError",
    "InfrastructureFactory",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "NotSupportedError",
    "Notification",
    "OperationalError",
    "PersistenceError",
    "ProcessRecorder",
    "ProgrammingError",
    "StoredEvent",
    "Subscription",
    "Tracking",
    "TrackingRecorder",
    "inserted",
    "made_notification",
    "made_stored_event",
    "upstream_of",
]


def made_stored_event(originator_id: Any, version: int, topic: str, state: bytes) -> StoredEvent:
    """Make a stored event from the columns of a row."""
    return StoredEvent(originator_id=originator_id, originator_version=version, topic=topic, state=state)


def made_notification(position: int, originator_id: Any, version: int, topic: str, state: bytes) -> Notification:
    """Make a notification from the columns of a row."""
    return Notification(id=position, originator_id=originator_id, originator_version=version, topic=topic, state=state)


def upstream_of(tracking: Tracking) -> str:
    """Give the name of the application whose event was processed."""
    return tracking.application_name


def inserted(positions: list[int]) -> Sequence[int] | None:
    """Give what `insert_events` of an application's recorder returns for the positions of its events."""
    return positions
