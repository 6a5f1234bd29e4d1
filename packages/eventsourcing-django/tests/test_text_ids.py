"""Aggregates whose IDs are strings: `ORIGINATOR_ID_TYPE=text`."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from databases import for_each_database
from eventsourcing.application import Application
from eventsourcing.domain import (
    BaseAggregate,
    CanInitAggregate,
    CanMutateAggregate,
    CanSnapshotAggregate,
    MetaDomainEvent,
    event,
)
from eventsourcing.persistence import DataError, IntegrityError, StoredEvent
from eventsourcing.tests import persistence as shipped

from eventsourcing_django.models import SnapshotRecord, StoredEventRecord, TextSnapshotRecord, TextStoredEventRecord
from eventsourcing_django.recorders import (
    DjangoAggregateRecorder,
    DjangoApplicationRecorder,
    DjangoProcessRecorder,
)


class _Text:
    """The library's own tests with strings for IDs."""

    def new_originator_id(self):
        return str(uuid4())


class _AggregateRecorder(_Text, shipped.AggregateRecorderTestCase):
    __test__ = False

    def create_recorder(self):
        return DjangoAggregateRecorder("app", TextStoredEventRecord, self.alias)


class _SnapshotRecorder(_Text, shipped.AggregateRecorderTestCase):
    __test__ = False

    def create_recorder(self):
        return DjangoAggregateRecorder("app", TextSnapshotRecord, self.alias)


class _ApplicationRecorder(_Text, shipped.ApplicationRecorderTestCase):
    __test__ = False

    def create_recorder(self):
        return DjangoApplicationRecorder("app", TextStoredEventRecord, self.alias)

    def test_insert_subscribe(self):
        """A subscription gives the events recorded so far, then waits for new ones, until it is stopped."""
        self.optional_test_insert_subscribe()


class _ProcessRecorder(_Text, shipped.ProcessRecorderTestCase):
    __test__ = False

    def create_recorder(self):
        return DjangoProcessRecorder("app", TextStoredEventRecord, self.alias)


# The tests that eventsourcing 9.4 ships have UUIDs only.
if hasattr(shipped, "RecorderTestCase"):
    for _base in (_AggregateRecorder, _SnapshotRecorder, _ApplicationRecorder, _ProcessRecorder):
        globals().update(for_each_database(_base))


class NamedDog(BaseAggregate[str]):
    """A dog whose ID is its name."""

    @dataclass(frozen=True)
    class Event(CanMutateAggregate[str], metaclass=MetaDomainEvent):
        originator_id: str
        originator_version: int
        timestamp: datetime

    @dataclass(frozen=True)
    class Registered(Event, CanInitAggregate[str]):
        originator_topic: str
        name: str

    @dataclass(frozen=True)
    class Snapshot(CanSnapshotAggregate[str], metaclass=MetaDomainEvent):
        originator_id: str
        originator_version: int
        timestamp: datetime
        topic: str
        state: dict[str, Any]

    @staticmethod
    def create_id(name: str) -> str:
        return f"dogs/{name}"

    @event(Registered)
    def __init__(self, name: str) -> None:
        self.name = name
        self.tricks = []

    @event("TrickAdded")
    def add_trick(self, trick: str) -> None:
        self.tricks.append(trick)


def test_an_application_of_named_aggregates_works(alias):
    """Events and snapshots are saved and read, and its subscribers get them."""
    env = {
        "PERSISTENCE_MODULE": "eventsourcing_django",
        "DJANGO_DB_ALIAS": alias,
        "ORIGINATOR_ID_TYPE": "text",
        "IS_SNAPSHOTTING_ENABLED": "y",
    }
    school = Application[str](env=env)
    dog = NamedDog("Fido")
    dog.add_trick("sit")
    school.save(dog)
    school.take_snapshot("dogs/Fido")
    dog.add_trick("roll over")
    school.save(dog)
    assert school.repository.get("dogs/Fido").tricks == ["sit", "roll over"]
    assert TextSnapshotRecord.objects.using(alias).get().originator_id == "dogs/Fido"
    with school.recorder.subscribe() as subscription:
        assert [next(subscription).originator_version for _ in range(3)] == [1, 2, 3]


@pytest.fixture
def recorder(alias):
    return DjangoApplicationRecorder("app", TextStoredEventRecord, alias)


def stored(originator_id, version=1):
    return StoredEvent(originator_id, version, "topic", b"state")


def test_ids_are_told_apart_to_the_letter(recorder):
    """Case, accents and blanks at the end count, on databases too that compare otherwise by default."""
    ids = ["dog", "Dog", "dög", "dog ", "dog-1", "🐕"]
    recorder.insert_events([stored(originator_id) for originator_id in ids])
    assert [n.originator_id for n in recorder.select_notifications(None, 10)] == ids
    assert [[e.originator_id for e in recorder.select_events(each)] for each in ids] == [[each] for each in ids]
    with pytest.raises(IntegrityError):
        recorder.insert_events([stored("dog")])


@pytest.mark.parametrize("originator_id", ["x" * 256, "a\0b", 7])
def test_an_id_that_no_column_holds_is_an_error(recorder, originator_id):
    """The same on every database, before anything is stored."""
    with pytest.raises(DataError, match="originator ID"):
        recorder.insert_events([stored("dog"), stored(originator_id)])
    assert recorder.max_notification_id() is None
    recorder.insert_events([stored("x" * 255)])


def test_an_application_stores_in_tables_of_their_own(alias):
    """The environment decides, with and without the application's name; other applications are not concerned."""
    env = {"PERSISTENCE_MODULE": "eventsourcing_django", "DJANGO_DB_ALIAS": alias, "IS_SNAPSHOTTING_ENABLED": "y"}
    kinds = {
        "": (StoredEventRecord, SnapshotRecord),
        "uuid": (StoredEventRecord, SnapshotRecord),
        "TEXT": (TextStoredEventRecord, TextSnapshotRecord),
    }
    for id_type, models in kinds.items():
        application = Application(env=env | {"APPLICATION_ORIGINATOR_ID_TYPE": id_type})
        assert (application.recorder.model, application.snapshots.recorder.model) == models


def test_an_unknown_type_is_an_error(alias):
    """It names the variable, the value and what is possible."""
    env = {"PERSISTENCE_MODULE": "eventsourcing_django", "DJANGO_DB_ALIAS": alias, "ORIGINATOR_ID_TYPE": "int"}
    with pytest.raises(OSError, match="ORIGINATOR_ID_TYPE is 'int': it has to be 'uuid' or 'text'"):
        Application(env=env)


def test_an_id_that_is_no_uuid_says_how_to_have_it(alias):
    """In an application that has not asked for text."""
    with pytest.raises(DataError, match="ORIGINATOR_ID_TYPE"):
        DjangoApplicationRecorder("app", StoredEventRecord, alias).insert_events([stored("Fido")])
