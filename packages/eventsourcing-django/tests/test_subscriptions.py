"""Subscriptions: announced on PostgreSQL, polled elsewhere, ended from any thread."""

import threading
from contextlib import nullcontext, suppress
from types import SimpleNamespace
from uuid import uuid4

import pytest
from databases import ALIASES, on_database
from django.db import ProgrammingError, connections, transaction
from eventsourcing.persistence import OperationalError, StoredEvent
from waiting import PATIENCE, wait_until

from eventsourcing_django.listening import Listener
from eventsourcing_django.models import StoredEventRecord
from eventsourcing_django.recorders import DjangoApplicationRecorder
from eventsourcing_django.subscriptions import ListeningSubscription, PollingSubscription

LONG = 3600.0  # longer than anybody waits here

shared_by_threads = pytest.mark.parametrize("alias", [pytest.param(each, marks=on_database(each)) for each in ALIASES])


def event(topic="topic"):
    return StoredEvent(uuid4(), 1, topic, b"state")


@pytest.fixture
def recorder(alias):
    return DjangoApplicationRecorder("app", StoredEventRecord, alias)


def is_alone(alias):
    """Whether this thread's session is the only one of the database."""
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND backend_type = 'client backend'"
            if alias == "postgres"
            else "SELECT count(*) FROM information_schema.processlist WHERE db = database()"
        )
        return cursor.fetchone() == (1,)


class Following(threading.Thread):
    """A thread that iterates over a subscription; `seen` holds positions, `got(n)` waits until there are so many."""

    def __init__(self, subscription):
        super().__init__()
        self.subscription = subscription
        self.seen = []
        self.error = None
        self._changed = threading.Condition()

    def run(self):
        try:
            for notification in self.subscription:
                with self._changed:
                    self.seen.append(notification.id)
                    self._changed.notify_all()
        except Exception as error:  # noqa: BLE001  # tests look at it
            self.error = error

    def got(self, number):
        with self._changed:
            return self._changed.wait_for(lambda: len(self.seen) >= number, PATIENCE)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.subscription.stop()
        self.join(PATIENCE)
        assert not self.is_alive()


def listeners():
    """The number of sessions that hold a listener's lock on PostgreSQL."""
    with connections["postgres"].cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database"
            " WHERE locktype = 'advisory' AND mode = 'ShareLock' AND granted AND datname = current_database()"
        )
        return cursor.fetchone()[0]


@on_database("postgres")
@pytest.mark.parametrize("is_entered", [False, True], ids=["stopped", "left"])
def test_whoever_stops_looking_listens_no_longer(is_entered):
    """A loop that is left, and then stopped in its thread, ends the session: no writer notifies it any more."""
    recorder = DjangoApplicationRecorder("app", StoredEventRecord, "postgres")
    recorder.insert_events([event(), event()])
    subscription = recorder.subscribe()
    with subscription if is_entered else nullcontext():
        next(subscription)
        assert listeners() == 1
        if not is_entered:
            subscription.stop()
    wait_until(lambda: listeners() == 0)
    assert list(subscription) == []


@shared_by_threads
def test_the_kind_fits_the_database(recorder, alias):
    """PostgreSQL announces; on other databases the table is looked at again and again."""
    subscription = recorder.subscribe()
    assert type(subscription) is (ListeningSubscription if alias == "postgres" else PollingSubscription)


@shared_by_threads
def test_it_gives_what_there_is_and_what_comes(recorder):
    """From the position asked for, and of the topics asked for."""
    recorder.insert_events([event(), event("other"), event()])
    with Following(recorder.subscribe(gt=1, topics=["topic"])) as following:
        assert following.got(1)
        recorder.insert_events([event("other"), event()])
        assert following.got(2)
    assert following.seen == [3, 5]
    assert following.error is None


@shared_by_threads
def test_a_waiting_iteration_is_ended_from_another_thread(recorder, monkeypatch):
    """At once, however long it would wait, and again and again without an error."""
    monkeypatch.setattr(PollingSubscription, "shortest_wait", LONG)
    monkeypatch.setattr(PollingSubscription, "longest_wait", LONG)
    monkeypatch.setattr(ListeningSubscription, "longest_wait", LONG)
    subscription = recorder.subscribe()
    recorder.insert_events([event()])
    with Following(subscription) as following:
        assert following.got(1)
        subscription.stop()
    subscription.stop()


@shared_by_threads
def test_a_subscription_that_was_ended_gives_nothing(recorder):
    """Events that were read and not given are left for the next subscription."""
    recorder.insert_events([event(), event()])
    with recorder.subscribe() as subscription:
        assert next(subscription).id == 1
    assert list(subscription) == []


@on_database("postgres")
@pytest.mark.parametrize("alias", ["postgres"])
def test_postgresql_announces_what_is_committed(recorder, monkeypatch):
    """A listener need not ask again: a commit wakes it, alone or at the end of a transaction, a rollback does not."""
    monkeypatch.setattr(ListeningSubscription, "longest_wait", LONG)
    with Following(recorder.subscribe()) as following:
        wait_until(lambda: listeners() == 1)
        recorder.insert_events([event()])
        assert following.got(1)
        with transaction.atomic(using="postgres"):
            recorder.insert_events([event()])
            transaction.set_rollback(True, using="postgres")
        with transaction.atomic(using="postgres"):
            recorder.insert_events([event()])
            recorder.insert_events([event()])
        assert following.got(3)
    assert following.seen == [1, 3, 4]


@on_database("postgres")
@pytest.mark.parametrize("alias", ["postgres"])
def test_nobody_is_notified_unless_somebody_listens(recorder):
    """PostgreSQL commits transactions that notify one after the other, so they are not made to without need."""
    count = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"

    def locks_of_a_save():
        with transaction.atomic(using="postgres"), connections["postgres"].cursor() as cursor:
            recorder.insert_events([event()])
            cursor.execute(count)
            return cursor.fetchone()[0]

    ordering_and_nobody_listens, ordering = 2, 1
    assert locks_of_a_save() == ordering_and_nobody_listens
    with Following(recorder.subscribe()):
        wait_until(lambda: listeners() == 1)
        assert locks_of_a_save() == ordering
    wait_until(lambda: listeners() == 0)
    assert locks_of_a_save() == ordering_and_nobody_listens


@on_database("postgres")
@pytest.mark.parametrize("alias", ["postgres"])
def test_an_event_committed_while_a_listener_arrives_is_not_missed(recorder, monkeypatch):
    """A transaction that has found nobody listening is open while the subscription begins."""
    monkeypatch.setattr(ListeningSubscription, "longest_wait", LONG)
    with transaction.atomic(using="postgres"):
        recorder.insert_events([event()])
        following = Following(recorder.subscribe())
        following.start()
        wait_until(lambda: following.subscription._listener is not None)
    with_following = following.got(1)
    following.subscription.stop()
    following.join(PATIENCE)
    assert with_following


@on_database("postgres")
@pytest.mark.parametrize("alias", ["postgres"])
def test_events_that_nobody_announced_are_found(recorder):
    """Processes that still run eventsourcing-django write without a word."""
    with Following(recorder.subscribe()) as following:
        wait_until(lambda: listeners() == 1)
        StoredEventRecord.objects.using("postgres").create(application_name="app", **vars(event()))
        assert following.got(1)


@on_database("postgres")
@pytest.mark.parametrize("alias", ["postgres"])
def test_killed_sessions_are_replaced(recorder):
    """The one that listens and the one that reads; every event is given once."""
    with Following(recorder.subscribe()) as following:
        for number in range(1, 6):
            wait_until(lambda: listeners() == 1)
            recorder.insert_events([event()])
            assert following.got(number)
            with connections["postgres"].cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid, 120000) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
    assert following.seen == [1, 2, 3, 4, 5]
    assert following.error is None


@shared_by_threads
def test_missing_tables_are_an_error_of_the_iteration(recorder, monkeypatch):
    """Only a database that is away is waited for."""
    monkeypatch.setattr(StoredEventRecord._meta, "db_table", "no_such_table")
    recorder = DjangoApplicationRecorder("app", StoredEventRecord, recorder.using)
    with Following(recorder.subscribe()) as following:
        following.join(PATIENCE)
    assert isinstance(following.error, OperationalError)


@pytest.mark.parametrize("alias", [pytest.param(each, marks=on_database(each)) for each in ("postgres", "mariadb")])
def test_connections_of_threads_close_with_them(recorder, alias):
    """Threads that end by themselves, by being stopped, or by an error leave no session on the server."""

    def fail():
        recorder.max_notification_id()
        with suppress(ZeroDivisionError):
            for _ in recorder.subscribe():
                raise ZeroDivisionError

    recorder.insert_events([event()])
    wait_until(lambda: is_alone(alias))
    threads = [threading.Thread(target=recorder.max_notification_id), threading.Thread(target=fail)]
    for thread in threads:
        thread.start()
        thread.join()
    with Following(recorder.subscribe()) as following:
        assert following.got(1)
    wait_until(lambda: is_alone(alias))


@on_database("postgres")
def test_a_session_that_cannot_listen_is_closed():
    """As that of a standby server, where nobody can: a thread that tries again and again leaves none behind."""
    tried, go_on = threading.Event(), threading.Event()

    def try_again_and_again():
        for _ in range(5):
            with suppress(ProgrammingError):
                Listener("postgres", [SimpleNamespace(name='no"name', key=1)])
        tried.set()
        go_on.wait(PATIENCE)

    wait_until(lambda: is_alone("postgres"))
    thread = threading.Thread(target=try_again_and_again)
    thread.start()
    assert tried.wait(PATIENCE)
    wait_until(lambda: is_alone("postgres"))
    go_on.set()
    thread.join()
