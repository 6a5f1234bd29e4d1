"""Several writers at once: a follower that keeps up with them misses nothing."""

from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Barrier, Thread
from uuid import uuid4

import pytest
from databases import ALIASES, on_database, ordered_by_trigger
from django.db import connections, transaction
from eventsourcing.persistence import IntegrityError, OperationalError, StoredEvent, Tracking
from waiting import PATIENCE

from eventsourcing_django.models import StoredEventRecord
from eventsourcing_django.recorders import DjangoApplicationRecorder, DjangoProcessRecorder, DjangoTrackingRecorder

WRITERS = 6
SAVES = 60

concurrent = pytest.mark.parametrize(
    "alias", [pytest.param(alias, marks=on_database(alias)) for alias in ALIASES if alias != "default"]
)


def events(number, topic="topic"):
    originator_id = uuid4()
    return [StoredEvent(originator_id, version, topic, b"state") for version in range(1, number + 1)]


def in_threads(alias, *functions):
    """Run functions at the same time, each in a thread that closes its connection, and return what they return."""

    def run(function):
        try:
            return function()
        finally:
            connections[alias].close()

    with ThreadPoolExecutor(len(functions)) as pool:
        return [future.result() for future in [pool.submit(run, function) for function in functions]]


def save_in_many_ways(alias, seed):
    """Save single events, batches, and several saves in a transaction, some rolled back; return the positions."""
    random, saved = Random(seed), []
    recorder = DjangoApplicationRecorder("app", StoredEventRecord, alias)
    for _ in range(SAVES):
        way = random.randrange(4)
        if way < 2:
            saved += recorder.insert_events(events(1 if way else 10))
            continue
        with transaction.atomic(using=alias):
            positions = recorder.insert_events(events(2)) + recorder.insert_events(events(1))
            if way == 3:
                transaction.set_rollback(True, using=alias)
            else:
                saved += positions
    return saved


def save_as_eventsourcing_django_does(alias):
    """Lock the table, on PostgreSQL alone, and save a model instance per event."""
    saved = []
    for _ in range(SAVES):
        with transaction.atomic(using=alias):
            if alias == "postgres":
                with connections[alias].cursor() as cursor:
                    cursor.execute("LOCK TABLE stored_events IN EXCLUSIVE MODE")
            for stored in events(3):
                record = StoredEventRecord(application_name="app", **vars(stored))
                record.save(using=alias, force_insert=True)
                saved.append(record.pk)
    return saved


def tailing(alias, seen):
    """Start a thread that puts every position it is given into a list, until it sees the event that ends it."""

    def follow():
        subscription = DjangoApplicationRecorder("app", StoredEventRecord, alias).subscribe()
        with subscription:
            for notification in subscription:
                if notification.topic == "the end":
                    subscription.stop()
                else:
                    seen.append(notification.id)

    thread = Thread(target=follow)
    thread.start()
    return thread


@concurrent
def test_a_tailing_follower_misses_nothing(alias):
    """Beside six writers it is given every committed event, once, in the order of positions."""
    seen = []
    recorder = DjangoApplicationRecorder("app", StoredEventRecord, alias)
    # On MariaDB an application's first events may meet in a deadlock, which callers' transactions have to repeat.
    first = recorder.insert_events(events(1))
    follower = tailing(alias, seen)
    writers = [lambda seed=seed: save_in_many_ways(alias, seed) for seed in range(WRITERS)]
    saved = [position for positions in in_threads(alias, *writers) for position in positions]
    recorder.insert_events(events(1, "the end"))
    follower.join(PATIENCE)
    assert seen == sorted([*first, *saved])
    assert len(saved) > WRITERS * SAVES


@concurrent
def test_writers_of_eventsourcing_django_can_run_beside(alias):
    """A follower misses nothing while half of the processes have not been upgraded."""
    seen = []
    recorder = DjangoApplicationRecorder("app", StoredEventRecord, alias)
    first = recorder.insert_events(events(1))
    with ordered_by_trigger(alias):
        follower = tailing(alias, seen)
        writers = [lambda seed=seed: save_in_many_ways(alias, seed) for seed in range(3)]
        writers += [lambda: save_as_eventsourcing_django_does(alias)] * 3
        saved = [position for positions in in_threads(alias, *writers) for position in positions]
        recorder.insert_events(events(1, "the end"))
        follower.join(PATIENCE)
    assert seen == sorted([*first, *saved])


@on_database("mariadb")
def test_a_save_that_has_to_end_a_deadlock_is_made_all_the_same():
    """The server takes back one of those that meet, and it is made again; a caller's transaction is the caller's."""
    recorder = DjangoApplicationRecorder("app", StoredEventRecord, "mariadb")
    with connections["mariadb"].cursor() as cursor:
        cursor.execute(
            "CREATE TRIGGER deadlock BEFORE INSERT ON stored_events FOR EACH ROW IF @deadlocks > 0 THEN"
            " SET @deadlocks = @deadlocks - 1; SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213; END IF"
        )
        try:
            cursor.execute("SET @deadlocks = 2")
            positions = recorder.insert_events(events(2))
            assert positions == [notification.id for notification in recorder.select_notifications(None, 10)]
            assert len(positions) == 2
            cursor.execute("SET @deadlocks = 1")
            with pytest.raises(OperationalError, match="1213"), transaction.atomic(using="mariadb"):
                recorder.insert_events(events(1))
        finally:
            cursor.execute("DROP TRIGGER deadlock")


@on_database("postgres")
def test_an_open_transaction_keeps_its_own_application_waiting_only():
    """Another application saves at once, while the one with the open transaction has its next save wait for it."""
    recorders = {name: DjangoApplicationRecorder(name, StoredEventRecord, "postgres") for name in ("one", "other")}

    def save_with_a_short_patience(name):
        with transaction.atomic(using="postgres"):
            with connections["postgres"].cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '300ms'")
            return recorders[name].insert_events(events(1))

    def try_both():
        other = save_with_a_short_patience("other")
        with pytest.raises(Exception, match="lock timeout"):
            save_with_a_short_patience("one")
        return other

    with transaction.atomic(using="postgres"):
        recorders["one"].insert_events(events(1))
        (other,) = in_threads("postgres", try_both)
    assert len(other) == 1


@concurrent
def test_the_same_position_is_processed_once(alias):
    """Of several processes that handle the same event at the same time, one succeeds, and only its events stay."""
    start = Barrier(4)

    def process(position):
        recorder = DjangoProcessRecorder("app", StoredEventRecord, alias)
        start.wait()
        try:
            recorder.insert_events(events(1), tracking=Tracking("upstream", position))
        except IntegrityError:
            return 0
        return 1

    for position in range(1, 11):
        assert sum(in_threads(alias, *[lambda position=position: process(position)] * 4)) == 1
    assert StoredEventRecord.objects.using(alias).count() == 10
    assert DjangoTrackingRecorder("app", alias).max_tracking_id("upstream") == 10


@pytest.mark.django_db(transaction=True, reset_sequences=True, databases=["default"])
def test_threads_share_an_in_memory_database():
    """Four applications in four threads save and read without an error."""

    def save(name):
        recorder = DjangoApplicationRecorder(name, StoredEventRecord, "default")
        for _ in range(50):
            recorder.insert_events(events(2))
            recorder.select_notifications(None, 10)
        return recorder.max_notification_id()

    last = in_threads("default", *[lambda name=name: save(name) for name in "abcd"])
    assert max(last) == 400
