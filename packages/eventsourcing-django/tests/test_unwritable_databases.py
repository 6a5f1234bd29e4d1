"""Databases that refuse to be written: a full disk, and a server that has become a replica."""

from uuid import uuid4

import pytest
from databases import on_database
from django.db import connections, transaction
from eventsourcing.persistence import OperationalError, PersistenceError, StoredEvent, Tracking

from eventsourcing_django.models import StoredEventRecord
from eventsourcing_django.recorders import DjangoProcessRecorder

on_servers = pytest.mark.parametrize(
    "alias", [pytest.param(each, marks=on_database(each)) for each in ("postgres", "mariadb")]
)
READ_ONLY_FROM_NOW_ON = {
    "postgres": "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
}


def events(number, size=10):
    originator_id = uuid4()
    return [StoredEvent(originator_id, version, "topic", b"x" * size) for version in range(1, number + 1)]


def execute(alias, statement):
    with connections[alias].cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone() if cursor.description else None


@pytest.fixture
def full_disk():
    """A SQLite file that can grow by two pages."""
    execute("file", "VACUUM")  # what earlier tests have deleted would be room
    (pages,) = execute("file", "PRAGMA page_count")
    execute("file", f"PRAGMA max_page_count = {pages + 2}")
    yield
    execute("file", "PRAGMA max_page_count = 1073741823")


@on_database("file")
@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_leaves_nothing_half_done():
    """One event, many, a tracked one, and a transaction: each is an error as a whole; then it works on."""
    recorder = DjangoProcessRecorder("app", StoredEventRecord, "file")

    def in_a_transaction():
        with transaction.atomic(using="file"):
            recorder.insert_events(events(1))
            recorder.insert_events(events(1, 200_000))

    for save in (
        lambda: recorder.insert_events(events(1, 200_000)),
        lambda: recorder.insert_events(events(500, 1_000)),
        lambda: recorder.insert_events(events(1, 200_000), tracking=Tracking("upstream", 1)),
        in_a_transaction,
    ):
        with pytest.raises(OperationalError, match="full"):
            save()
        assert (recorder.max_notification_id(), recorder.max_tracking_id("upstream")) == (None, None)
        assert not connections["file"].in_atomic_block
    execute("file", "PRAGMA max_page_count = 1073741823")
    assert recorder.insert_events(events(2, 200_000), tracking=Tracking("upstream", 1)) == [1, 2]


@on_servers
def test_a_session_of_a_server_that_became_a_replica_is_given_up(alias):
    """The next one leads to the new primary, as far as the network is concerned; it saves, tracks and is kept."""
    recorder = DjangoProcessRecorder("app", StoredEventRecord, alias)
    for save in (
        lambda: recorder.insert_events(events(2)),
        lambda: recorder.insert_events(events(1), tracking=Tracking("upstream", 1)),
        lambda: recorder.insert_tracking(Tracking("upstream", 2)),
    ):
        execute(alias, READ_ONLY_FROM_NOW_ON[alias])
        save()
    assert (recorder.max_notification_id(), recorder.max_tracking_id("upstream")) == (3, 2)


@on_servers
def test_a_transaction_on_a_replica_is_an_error(alias):
    """What it has done before would be lost with its session; the one after it begins on another session."""
    recorder = DjangoProcessRecorder("app", StoredEventRecord, alias)
    execute(alias, READ_ONLY_FROM_NOW_ON[alias])
    with pytest.raises(PersistenceError), transaction.atomic(using=alias):
        recorder.insert_events(events(1))
    recorder.insert_events(events(1))
    assert len(recorder.select_notifications(None, 10)) == 1
