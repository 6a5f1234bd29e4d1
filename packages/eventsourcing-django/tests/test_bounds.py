"""Versions, positions and limits of any size."""

from uuid import uuid4

import pytest
from eventsourcing.domain import OriginatorVersionError
from eventsourcing.persistence import DataError, IntegrityError, StoredEvent, Tracking
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore
from school.applications import Dog, TrainingSchool

from eventsourcing_django.models import SnapshotRecord, StoredEventRecord, TextSnapshotRecord, TextStoredEventRecord
from eventsourcing_django.recorders import DjangoAggregateRecorder, DjangoApplicationRecorder, DjangoProcessRecorder

# Around those that count here, and around the ends of what columns hold.
NUMBERS = [
    *range(5),
    *(sign * 2**bits + near for bits in (31, 63, 64, 70) for sign in (1, -1) for near in (-1, 0, 1)),
]
TOO_LARGE = [2**63, -(2**63) - 1, 2**64, 2**70, -(2**70)]


def application_recorders(alias):
    """Make each kind of recorder with positions, on tables for UUIDs and for text."""
    yield DjangoApplicationRecorder("application", StoredEventRecord, alias)
    yield DjangoApplicationRecorder("application", TextStoredEventRecord, alias)
    yield DjangoProcessRecorder("process", StoredEventRecord, alias)
    yield DjangoProcessRecorder("process", TextStoredEventRecord, alias)


def all_recorders(alias):
    """Make each kind of recorder of events."""
    yield DjangoAggregateRecorder("snapshots", SnapshotRecord, alias)
    yield DjangoAggregateRecorder("snapshots", TextSnapshotRecord, alias)
    yield DjangoAggregateRecorder("aggregates", StoredEventRecord, alias)
    yield from application_recorders(alias)


def test_bounds_of_versions_mean_what_they_mean_in_python(alias):
    """A bound beyond what a column holds lets everything or nothing through; a limit of 0 or less nothing."""
    for recorder in all_recorders(alias):
        originator_id = str(uuid4())
        recorder.insert_events([StoredEvent(originator_id, version, "topic", b"") for version in (1, 2, 3)])

        def selected(recorder=recorder, originator_id=originator_id, **options):
            return [event.originator_version for event in recorder.select_events(originator_id, **options)]

        for number in NUMBERS:
            assert selected(gt=number) == [version for version in (1, 2, 3) if version > number]
            assert selected(lte=number) == [version for version in (1, 2, 3) if version <= number]
            assert selected(limit=number) == [1, 2, 3][: max(0, number)]
            assert selected(limit=number, desc=True) == [3, 2, 1][: max(0, number)]


def test_bounds_of_positions_mean_what_they_mean_in_python(alias):
    """Of notifications and of subscriptions."""
    for recorder in application_recorders(alias):
        positions = recorder.insert_events([StoredEvent(str(uuid4()), 1, "topic", b"") for _ in range(3)])

        def selected(start=None, limit=10, recorder=recorder, **options):
            return [notification.id for notification in recorder.select_notifications(start, limit, **options)]

        for number in [*NUMBERS, positions[0] - 1, *positions, positions[-1] + 1]:
            assert selected(number) == [each for each in positions if each >= number]
            assert selected(number, inclusive_of_start=False) == [each for each in positions if each > number]
            assert selected(stop=number) == [each for each in positions if each <= number]
            assert selected(limit=number) == positions[: max(0, number)]
        with recorder.subscribe(gt=-(2**70)) as subscription:
            assert next(subscription).id == positions[0]


def test_versions_with_gaps_are_stored_as_the_library_stores_them(alias):
    """Versions are the aggregate's to count: a recorder refuses the same one twice, and no other."""
    library = SQLiteApplicationRecorder(SQLiteDatastore(":memory:"))
    library.create_table()
    for recorder in [library, *all_recorders(alias)]:
        originator_id = str(uuid4())
        recorder.insert_events([StoredEvent(originator_id, version, "topic", b"") for version in (1, 2)])
        recorder.insert_events([StoredEvent(originator_id, 5, "topic", b"")])
        recorder.insert_events([StoredEvent(originator_id, 4, "topic", b"")])
        with pytest.raises(IntegrityError):
            recorder.insert_events([StoredEvent(originator_id, version, "topic", b"") for version in (3, 5)])
        assert [event.originator_version for event in recorder.select_events(originator_id)] == [1, 2, 4, 5]


def test_an_aggregate_with_a_gap_is_not_rebuilt(alias):
    """The library says that a version is missing, and gives no state that has never been."""
    school = TrainingSchool(env={"PERSISTENCE_MODULE": "eventsourcing_django", "DJANGO_DB_ALIAS": alias})
    school.register("Fido")
    school.add_trick("Fido", "sit")
    first, last = school.recorder.select_events(Dog.create_id("Fido"))
    beyond = StoredEvent(first.originator_id, 5, last.topic, last.state)
    school.recorder.insert_events([beyond])
    with pytest.raises(OriginatorVersionError):
        school.get_tricks("Fido")


def test_versions_that_no_column_holds_are_refused(alias):
    """With an error of the library, and the recorder works on."""
    for recorder in all_recorders(alias):
        originator_id = str(uuid4())
        for version in TOO_LARGE:
            with pytest.raises(DataError):
                recorder.insert_events([StoredEvent(originator_id, version, "topic", b"")])
        recorder.insert_events([StoredEvent(originator_id, version, "topic", b"") for version in (1, 2**63 - 1)])
        assert len(recorder.select_events(originator_id)) == 2


def test_positions_that_no_column_holds_are_refused(alias):
    """With an error of the library; and nobody has processed them."""
    recorder = DjangoProcessRecorder("process", StoredEventRecord, alias)
    for position in TOO_LARGE:
        with pytest.raises(DataError):
            recorder.insert_tracking(Tracking("upstream", position))
        with pytest.raises(DataError):
            recorder.insert_events([StoredEvent(uuid4(), 1, "topic", b"")], tracking=Tracking("upstream", position))
        assert recorder.max_tracking_id("upstream") is None
    assert recorder.max_notification_id() is None
    recorder.insert_tracking(Tracking("upstream", 2**63 - 1))
    assert not recorder.has_tracking_id("upstream", 2**70)
    assert recorder.has_tracking_id("upstream", -(2**70))
