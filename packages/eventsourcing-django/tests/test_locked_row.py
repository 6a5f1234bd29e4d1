"""The writer for databases that have none of their own, on PostgreSQL: it works on every database."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

import pytest
from databases import on_database
from django.db import connections, transaction
from eventsourcing.persistence import IntegrityError, StoredEvent, Tracking
from waiting import PATIENCE

from eventsourcing_django.models import NotificationTrackingRecord, RecorderLock, StoredEventRecord
from eventsourcing_django.recorders import DjangoProcessRecorder
from eventsourcing_django.writers.locked_row import LockedRowWriter

pytestmark = on_database("postgres")


class Recorder(DjangoProcessRecorder):
    """A process recorder that knows nothing of PostgreSQL."""

    def _make_writer(self):
        return LockedRowWriter(self._table, self._tracking, True)


@pytest.fixture
def recorder():
    return Recorder("app", StoredEventRecord, "postgres")


def events(number):
    originator_id = uuid4()
    return [StoredEvent(originator_id, version, "topic", b"state") for version in range(1, number + 1)]


def test_events_get_positions_in_their_order(recorder):
    """One lock row is made for the application, at the first save."""
    assert recorder.insert_events(events(3)) == [1, 2, 3]
    assert recorder.insert_events(events(1)) == [4]
    assert [lock.pk for lock in RecorderLock.objects.using("postgres").all()] == ["app"]


def test_positions_are_read_back_where_an_insert_does_not_return_them(recorder, monkeypatch):
    """As on MySQL."""
    monkeypatch.setattr(connections["postgres"].features, "can_return_rows_from_bulk_insert", False)
    saved = events(2) + events(2)
    positions = recorder.insert_events(saved)
    stored = {n.id: (n.originator_id, n.originator_version) for n in recorder.select_notifications(None, 10)}
    assert [stored[position] for position in positions] == [(e.originator_id, e.originator_version) for e in saved]


def test_positions_advance_only(recorder):
    """A lower or equal one is refused together with its events, and there is one row."""
    recorder.insert_events(events(1), tracking=Tracking("upstream", 5))
    recorder.insert_tracking(Tracking("upstream", 6))
    for position in (5, 6):
        with pytest.raises(IntegrityError):
            recorder.insert_events(events(1), tracking=Tracking("upstream", position))
    assert recorder.max_notification_id() == 1
    assert NotificationTrackingRecord.objects.using("postgres").get().notification_id == 6


def test_first_saves_at_the_same_time_do_not_fail(recorder):
    """Eight threads find no lock row, and all save."""
    start = Barrier(8)

    def save():
        try:
            start.wait()
            return recorder.insert_events(events(5))
        finally:
            connections["postgres"].close()

    with ThreadPoolExecutor(8) as pool:
        batches = [future.result() for future in [pool.submit(save) for _ in range(8)]]
    assert sorted(batches) == [list(range(first, first + 5)) for first in range(1, 41, 5)]


def test_the_lock_ends_with_the_transaction(recorder):
    """Rolled back, it leaves the next save free to go on."""
    with transaction.atomic(using="postgres"):
        recorder.insert_events(events(1))
        transaction.set_rollback(True, using="postgres")

    def save():
        try:
            return recorder.insert_events(events(1))
        finally:
            connections["postgres"].close()

    with ThreadPoolExecutor(1) as pool:
        assert len(pool.submit(save).result(PATIENCE)) == 1
