"""Followers hear of new events when the transaction that has recorded them commits.

The eventsourcing library prompts followers as soon as events are recorded. Inside a transaction that is too early: a
follower in another thread looks for events that it cannot see yet, and is not prompted again, or it processes events
that are rolled back afterwards. `install()` puts this in the library's place, for applications whose events are in
Django's databases, whichever runner prompts.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.db import connections, transaction
from eventsourcing.persistence import Recording
from eventsourcing.system import Leader, RecordingEvent, RecordingEventReceiver, SingleThreadedRunner

from eventsourcing_django.recorders import DjangoApplicationRecorder

__all__ = ["InsideTransactions", "install"]

_library_notify = Leader._notify  # noqa: SLF001  # what subclasses call, and where all runners begin


class InsideTransactions:
    """Mixed into a receiver that is prompted at once, and only then, even if the events may be rolled back."""


def install() -> None:
    """Have leaders prompt on commit."""
    Leader._notify = _notify  # type: ignore[method-assign,assignment]  # noqa: SLF001


def _notify(leader: Leader[Any], recordings: list[Recording[Any]]) -> None:
    if not isinstance(leader.recorder, DjangoApplicationRecorder):
        _library_notify(leader, recordings)
        return
    super(Leader, leader)._notify(recordings)
    topics = leader.notify_topics
    wanted = [each for each in recordings if each.notification.topic in topics] if topics else recordings
    if wanted:
        _prompt(leader, _recording_event(leader, recordings[0].notification.id - 1, wanted), leader.recorder.using)


def _recording_event(leader: Leader[Any], previous: int, wanted: list[Recording[Any]]) -> RecordingEvent[Any]:
    # The library says which event this leader had recorded before. A receiver concludes from it that it has missed
    # none, but other threads and processes record events of the application as well. With the position before the
    # first event it asks.
    leader.previous_max_notification_id = wanted[-1].notification.id
    return RecordingEvent(application_name=leader.name, recordings=wanted, previous_max_notification_id=previous)


def _prompt(leader: Leader[Any], event: RecordingEvent[Any], alias: str) -> None:
    receivers = list(leader.followers)
    if not connections[alias].in_atomic_block:
        _deliver(event, receivers)
        return
    _deliver(event, [each for each in receivers if _works_inside(each, leader.name, alias)])
    later = [each for each in receivers if not isinstance(each, InsideTransactions)]
    transaction.on_commit(partial(_deliver, event, later), using=alias)


def _deliver(event: RecordingEvent[Any], receivers: Sequence[RecordingEventReceiver[Any]]) -> None:
    for receiver in receivers:
        receiver.receive_recording_event(event)


def _works_inside(receiver: RecordingEventReceiver[Any], leader_name: str, alias: str) -> bool:
    """Say whether what a receiver does now is part of the transaction.

    A `SingleThreadedRunner` pulls in this thread and remembers nothing, so it sees the events, and what its followers
    record is rolled back with them if it is in the same database. It is prompted once more on commit, because
    it leaves the work to another thread if that one is at it, which does not see the events before.
    """
    if isinstance(receiver, SingleThreadedRunner):
        followers = [receiver.apps.get(name) for name in receiver.system.leads[leader_name]]
        return all(follower and getattr(follower.recorder, "using", None) == alias for follower in followers)
    return isinstance(receiver, InsideTransactions)
