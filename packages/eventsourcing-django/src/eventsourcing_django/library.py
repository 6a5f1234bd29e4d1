"""The eventsourcing library as the rest of the package sees it, whichever of its versions is installed.

9.4 and 9.5 agree in everything below. What 10 changes is decided here, and nowhere else: it moves its errors to
`eventsourcing.errors`, puts what an event says into an envelope, gives stored events a ``uuid`` and ``metadata`` and
IDs that are strings whatever the column is, says ``context_name`` where it said ``application_name``, has
`insert_events` return the last position, and prompts followers with that position alone.

Nothing of the library is subscripted at run time: which of its classes are generic differs from version to version.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from uuid import UUID

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    InfrastructureFactory,
    IntegrityError,
    InternalError,
    Notification,
    ProcessRecorder,
    StoredEvent,
    Tracking,
    TrackingRecorder,
)
from eventsourcing.system import Leader

__all__ = [
    "IS_10",
    "AggregateRecorder",
    "Application",
    "ApplicationRecorder",
    "DataError",
    "DatabaseError",
    "EventSourcingError",
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
    "PromptReceiver",
    "StoredEvent",
    "Subscription",
    "Tracking",
    "TrackingRecorder",
    "extras_of",
    "inserted",
    "made_notification",
    "made_stored_event",
    "name_of",
    "originator_id_of",
    "prompt_of",
    "said_by",
    "upstream_of",
]

IS_10 = find_spec("eventsourcing.errors") is not None
"""The library is version 10; otherwise it is 9.4 or 9.5."""

if TYPE_CHECKING or not IS_10:
    from eventsourcing.application import Application
    from eventsourcing.domain import EventSourcingError
    from eventsourcing.persistence import (
        DatabaseError,
        DataError,
        InterfaceError,
        NotSupportedError,
        OperationalError,
        PersistenceError,
        ProgrammingError,
        Subscription,
    )
    from eventsourcing.system import RecordingEvent
    from eventsourcing.system import RecordingEventReceiver as PromptReceiver
else:
    from eventsourcing.application import AggregatesApplication as Application
    from eventsourcing.errors import (
        DatabaseError,
        DataError,
        EventSourcingError,
        InterfaceError,
        NotSupportedError,
        OperationalError,
        PersistenceError,
        ProgrammingError,
    )
    from eventsourcing.persistence import ApplicationRecorderSubscription as Subscription
    from eventsourcing.system import PromptReceiver

_NO_UUID = UUID(int=0)


def made_stored_event(
    originator_id: Any, version: int, topic: str, state: bytes, uuid: UUID | None = None, metadata: Any = None
) -> StoredEvent:
    """Make a stored event from the columns of a row; 10 asks for the last two."""
    event = object.__new__(StoredEvent)
    _fill(event, originator_id, version, topic, state, uuid, metadata)
    return event


def made_notification(
    position: int,
    originator_id: Any,
    version: int,
    topic: str,
    state: bytes,
    uuid: UUID | None = None,
    metadata: Any = None,
) -> Notification:
    """Make a notification from the columns of a row; 10 asks for the last two."""
    notification = object.__new__(Notification)
    _fill(notification, originator_id, version, topic, state, uuid, metadata)
    vars(notification)["id"] = position
    return notification


def _fill(
    event: StoredEvent, originator_id: Any, version: int, topic: str, state: bytes, uuid: UUID | None, metadata: Any
) -> None:
    # The classes are frozen, so that their own `__init__` takes a detour for each field: most of the time of a read.
    fields = vars(event)
    fields["originator_id"] = originator_id
    fields["originator_version"] = version
    fields["topic"] = topic
    fields["state"] = state
    if IS_10:
        fields["uuid"] = uuid or _NO_UUID
        fields["metadata"] = metadata or {}


def extras_of(event: Any) -> tuple[UUID | None, dict[str, str] | None]:
    """Give the ``uuid`` and ``metadata`` of an event of 10, None for what it does not have."""
    return (event.uuid if event.uuid != _NO_UUID else None), (event.metadata or None)


def originator_id_of(value: UUID | str) -> Any:
    """Give an aggregate's ID as stored events have it, from that of its column."""
    return str(value) if IS_10 else value


def upstream_of(tracking: Any) -> str:
    """Give the name of the application whose event was processed."""
    name: str = tracking.context_name if IS_10 else tracking.application_name
    return name


def name_of(application: Any) -> str:
    """Give the name of an application."""
    name: str = application.context_name if IS_10 else application.name
    return name


def said_by(event: Any) -> Any:
    """Give the object whose attributes are what an event says."""
    return event.decision if IS_10 else event


def inserted(positions: list[int]) -> Sequence[int] | None:
    """Give what `insert_events` of an application's recorder returns for the positions of its events."""
    if IS_10:
        return positions[-1] if positions else None  # type: ignore[return-value]  # what 10 declares
    return positions


def prompt_of(leader: Leader[Any], recorded: Any) -> Callable[[Any], None] | None:
    """Give what prompts a receiver about what a leader has recorded, None if nobody needs to hear of it.

    Args:
        leader: an application with followers.
        recorded: what the library gives to its `_notify()`.
    """
    return _prompt_of_position(leader, recorded) if IS_10 else _prompt_of_recordings(leader, recorded)


def _prompt_of_position(leader: Any, position: int | None) -> Callable[[Any], None] | None:
    if not position:
        return None
    return lambda receiver: receiver.receive_prompt(context_name=leader.context_name, notification_id=position)


def _prompt_of_recordings(leader: Leader[Any], recordings: Sequence[Any]) -> Callable[[Any], None] | None:
    topics = leader.notify_topics
    wanted = [each for each in recordings if each.notification.topic in topics] if topics else list(recordings)
    if not wanted:
        return None
    # The library says which event this leader had recorded before. A receiver concludes from it that it has missed
    # none, but other threads and processes record events of the application as well. With the position before the
    # first event it asks.
    previous = recordings[0].notification.id - 1
    leader.previous_max_notification_id = wanted[-1].notification.id
    event = RecordingEvent(application_name=leader.name, recordings=wanted, previous_max_notification_id=previous)
    return lambda receiver: receiver.receive_recording_event(event)
