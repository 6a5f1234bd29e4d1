"""How many statements an operation sends: what performance is gated on, because it is exact."""

from uuid import uuid4

import pytest
from databases import on_database
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext
from eventsourcing.persistence import StoredEvent, Tracking

from eventsourcing_django.models import StoredEventRecord
from eventsourcing_django.recorders import DjangoProcessRecorder


def events(number):
    originator_id = uuid4()
    return [StoredEvent(originator_id, version, "topic", b"state") for version in range(1, number + 1)]


@pytest.fixture(params=[pytest.param(alias, marks=on_database(alias)) for alias in ("default", "file", "postgres")])
def alias(request):
    """The databases for which these numbers are promised."""
    return request.param


@pytest.fixture
def recorder(alias):
    recorder = DjangoProcessRecorder("app", StoredEventRecord, alias)
    recorder.max_notification_id()
    return recorder


@pytest.fixture
def counted(alias):
    return lambda: CaptureQueriesContext(connections[alias])


@pytest.mark.parametrize("number", [1, 10, 100])
def test_a_save_is_one_statement(recorder, counted, number):
    """However many events it saves."""
    with counted() as statements:
        recorder.insert_events(events(number))
    assert len(statements) == 1


def test_a_save_of_nothing_is_no_statement(recorder, counted):
    """There is nothing to do, so nothing is done."""
    with counted() as statements:
        assert recorder.insert_events([]) == []
    assert len(statements) == 0


@pytest.mark.parametrize("number", [1, 100])
def test_a_save_in_a_transaction_is_three_statements(recorder, counted, alias, number):
    """A savepoint around it keeps the caller's transaction usable if the save fails."""
    with transaction.atomic(using=alias), counted() as statements:
        recorder.insert_events(events(number))
    assert len(statements) == 3


def test_a_save_with_tracking_is_one_statement_on_postgresql(recorder, counted, alias):
    """On SQLite it is two in a transaction."""
    recorder.insert_events(events(1), tracking=Tracking("upstream", 1))
    with counted() as statements:
        recorder.insert_events(events(10), tracking=Tracking("upstream", 2))
    assert len(statements) == (1 if alias == "postgres" else 4)


def test_tracking_alone_is_one_statement(recorder, counted):
    """Whether it is the first position or another one."""
    for position in (1, 2):
        with counted() as statements:
            recorder.insert_tracking(Tracking("upstream", position))
        assert len(statements) == 1


def test_tracking_does_not_pile_up_rows(recorder, alias):
    """There is one row per followed application, not one per processed event."""
    for position in range(1, 6):
        recorder.insert_tracking(Tracking("upstream", position))
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT notification_id FROM notification_tracking")
        assert cursor.fetchall() == [(5,)]


@pytest.mark.parametrize(
    "read",
    [
        lambda recorder: recorder.select_events(uuid4()),
        lambda recorder: recorder.select_notifications(1, 100),
        lambda recorder: recorder.max_notification_id(),
        lambda recorder: recorder.max_tracking_id("upstream"),
    ],
)
def test_a_read_is_one_statement(recorder, counted, read):
    """Every kind of read."""
    with counted() as statements:
        read(recorder)
    assert len(statements) == 1


def test_more_events_than_a_statement_takes_are_saved_all_the_same(recorder):
    """Positions are contiguous in the order of the events, and all are stored."""
    saved = events(1000)
    assert recorder.insert_events(saved) == list(range(1, 1001))
    assert list(recorder.select_events(saved[0].originator_id)) == saved
