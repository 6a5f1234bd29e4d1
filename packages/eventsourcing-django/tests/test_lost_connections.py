"""Connections that die: what is repeated, what is an error, and that nothing is lost or stored twice."""

import threading
from dataclasses import replace
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from databases import added_database, on_database
from django.core.management import call_command
from django.db import connections, transaction
from django.db.models.signals import post_save
from eventsourcing.persistence import IntegrityError, OperationalError, StoredEvent, Tracking
from lossy_proxy import LossyProxy

from eventsourcing_django.models import StoredEventRecord
from eventsourcing_django.recorders import DjangoProcessRecorder, DjangoTrackingRecorder


def event(version=1, originator_id=None, state=b"state"):
    return StoredEvent(originator_id or uuid4(), version, "topic", state)


def kill(alias):
    """End the thread's session from another one, and wait until the server has said so."""
    connections[alias].ensure_connection()
    session = connections[alias].connection
    pid = session.info.backend_pid

    def terminate():
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 120000)", [pid])
        connections[alias].close()

    killer = threading.Thread(target=terminate)
    killer.start()
    killer.join()


@pytest.fixture
def recorder():
    return DjangoProcessRecorder("app", StoredEventRecord, "postgres")


@on_database("postgres")
def test_every_call_recovers_from_a_killed_session(recorder):
    """Reads, saves and tracking go on over a new connection, and each has happened once."""
    stored = event()
    for call in (
        lambda: recorder.insert_events([stored]),
        lambda: recorder.insert_events([event()], tracking=Tracking("upstream", 1)),
        lambda: recorder.insert_events([], tracking=Tracking("upstream", 2)),
        lambda: recorder.insert_tracking(Tracking("upstream", 3)),
        lambda: recorder.select_events(stored.originator_id),
        lambda: recorder.select_notifications(None, 10),
        recorder.max_notification_id,
        lambda: recorder.max_tracking_id("upstream"),
    ):
        kill("postgres")
        call()
    assert recorder.max_tracking_id("upstream") == 3
    assert [n.id for n in recorder.select_notifications(None, 10)] == [1, 2]


@on_database("postgres")
def test_a_killed_session_ends_its_transaction(recorder):
    """What the transaction did before is lost, so its next save is an error, and the one after it works."""
    with pytest.raises(OperationalError), transaction.atomic(using="postgres"):
        recorder.insert_events([event()])
        kill("postgres")
        recorder.insert_events([event()])
    assert recorder.insert_events([event()])
    assert len(recorder.select_notifications(None, 10)) == 1


@on_database("postgres")
def test_a_view_in_a_transaction_begins_on_a_living_connection():
    """The session was killed before the transaction began."""
    view = DjangoTrackingRecorder("view", "postgres")
    kill("postgres")
    with view.atomic():
        view.insert_tracking(Tracking("upstream", 1))
    assert view.max_tracking_id("upstream") == 1


@pytest.fixture(params=["postgresql", "mysql"])
def broken_network(request, postgres_database):
    """A migrated database behind a proxy that can lose answers; gives the proxy and the alias."""
    url = urlsplit(postgres_database)
    if request.param == "mysql":
        url = urlsplit(request.getfixturevalue("mariadb_service").url)._replace(path="/lossy")
    proxy = LossyProxy(url.hostname, url.port)
    through_proxy = url._replace(netloc=url.netloc.replace(f":{url.port}", f":{proxy.port}"))
    if request.param == "mysql":
        with added_database("direct", url._replace(path="/mysql").geturl()), connections["direct"].cursor() as cursor:
            cursor.execute("DROP DATABASE IF EXISTS lossy")
            cursor.execute("CREATE DATABASE lossy")
    with added_database("lossy", through_proxy.geturl()):
        call_command("migrate", "eventsourcing_django", database="lossy", verbosity=0)
        yield proxy, "lossy"
    proxy.close()


@pytest.mark.django_db(databases=[], transaction=True)
class TestLostAnswers:
    """The server has committed, and its answer never arrives."""

    @pytest.fixture(autouse=True)
    def _unblocked(self, django_db_blocker):
        with django_db_blocker.unblock():
            yield

    @pytest.fixture
    def proxy(self, broken_network):
        return broken_network[0]

    @pytest.fixture
    def recorder(self, broken_network):
        recorder = DjangoProcessRecorder("app", StoredEventRecord, broken_network[1])
        recorder.max_notification_id()
        return recorder

    def test_a_read_is_repeated(self, proxy, recorder):
        """Nobody notices."""
        recorder.insert_events([event()])
        proxy.lose_next_answer()
        assert recorder.max_notification_id() == 1
        assert not proxy.is_losing

    def test_a_save_that_had_been_committed_is_recognised(self, proxy, recorder):
        """Its positions are returned, and its events are stored once."""
        originator_id = uuid4()
        saved = [event(1, originator_id), event(2, originator_id), event()]
        proxy.lose_next_answer()
        positions = recorder.insert_events(saved, tracking=Tracking("upstream", 1))
        assert not proxy.is_losing
        stored = recorder.select_notifications(None, 10)
        assert [n.id for n in stored] == positions
        assert [n.originator_id for n in stored] == [e.originator_id for e in saved]

    def test_somebody_elses_version_is_a_conflict(self, proxy, recorder):
        """The same version with another content was there before."""
        first = event()
        recorder.insert_events([first])
        proxy.lose_next_answer()
        with pytest.raises(IntegrityError):
            recorder.insert_events([replace(first, state=b"another")])
        assert not proxy.is_losing
        assert list(recorder.select_events(first.originator_id)) == [first]

    def test_a_save_that_receivers_have_heard_of_is_not_repeated(self, proxy, recorder):
        """They would hear of it twice."""
        heard = []

        def hear(instance, **_):
            heard.append(instance.pk)
            proxy.lose_next_answer()

        post_save.connect(hear, sender=StoredEventRecord)
        try:
            with pytest.raises(OperationalError):
                recorder.insert_events([event()])
        finally:
            post_save.disconnect(hear, sender=StoredEventRecord)
        assert len(heard) == 1


@pytest.mark.django_db(databases=[], transaction=True)
def test_a_position_whose_answer_was_lost_is_an_error(django_db_blocker, postgres_database):
    """It may have been recorded by another process that has handled the same event, which the error says."""
    url = urlsplit(postgres_database)
    proxy = LossyProxy(url.hostname, url.port)
    through_proxy = url._replace(netloc=url.netloc.replace(f":{url.port}", f":{proxy.port}")).geturl()
    with django_db_blocker.unblock(), added_database("lossy", through_proxy):
        call_command("migrate", "eventsourcing_django", database="lossy", verbosity=0)
        recorder = DjangoTrackingRecorder("view", "lossy")
        recorder.max_tracking_id("upstream")
        proxy.lose_next_answer()
        with pytest.raises(OperationalError, match="cannot be told"):
            recorder.insert_tracking(Tracking("upstream", 1))
        assert recorder.max_tracking_id("upstream") == 1
    proxy.close()
