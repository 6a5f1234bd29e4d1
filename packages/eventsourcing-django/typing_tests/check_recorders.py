"""What a user's type checker sees: checked with `mypy --strict` and pyright, never run."""

from collections.abc import Sequence
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.persistence import Notification, StoredEvent, Tracking
from eventsourcing.system import Runner
from eventsourcing.utils import Environment
from typing_extensions import assert_type

from eventsourcing_django.cipher import KeyRingCipher
from eventsourcing_django.factory import Factory
from eventsourcing_django.models import StoredEventRecord
from eventsourcing_django.recorders import DjangoApplicationRecorder, DjangoProcessRecorder, DjangoTrackingRecorder
from eventsourcing_django.runners import get_eventsourcing_runner


class View(DjangoTrackingRecorder):
    def count(self, tracking: Tracking) -> None:
        with self.atomic():
            self.insert_tracking(tracking)


recorder = DjangoApplicationRecorder("app", StoredEventRecord, using="default")
assert_type(recorder.using, str)
assert_type(recorder.insert_events([]), Sequence[int] | None)
assert_type(recorder.select_notifications(None, 10), Sequence[Notification])
assert_type(recorder.max_notification_id(), int | None)

process = DjangoProcessRecorder("app", StoredEventRecord)
process.insert_events(
    [StoredEvent(UUID(int=1), 1, "topic", b"")],
    tracking=Tracking("upstream", 1),
)
assert_type(process.max_tracking_id("upstream"), int | None)

factory = Factory(Environment("app", {"DJANGO_DB_ALIAS": "default"}))
assert_type(factory.tracking_recorder(), DjangoTrackingRecorder)
assert_type(KeyRingCipher(Environment("app", {})).encrypt(b""), bytes)

runner: Runner[UUID] = get_eventsourcing_runner()
application: Application[UUID] = Application({"PERSISTENCE_MODULE": "eventsourcing_django"})
