"""Which statements PostgreSQL keeps planned, and what happens to them."""

from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from databases import added_database, on_database
from django.core.management import call_command
from django.db import connections, transaction
from eventsourcing.persistence import ProgrammingError, StoredEvent
from lossy_proxy import LossyProxy

from eventsourcing_django.models import StoredEventRecord
from eventsourcing_django.recorders import DjangoApplicationRecorder


def prepared(alias):
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        return [statement for (statement,) in cursor.fetchall()]


def use(recorder, times):
    """Save and read back so many events, each of an aggregate of its own."""
    for _ in range(times):
        event = StoredEvent(uuid4(), 1, "topic", b"%s")
        (position,) = recorder.insert_events([event])
        assert recorder.select_events(event.originator_id) == [event]
        assert recorder.max_notification_id() == position
        found = recorder.select_notifications(position, 10)
        assert [(each.id, each.originator_id, each.state) for each in found] == [(position, event.originator_id, b"%s")]


@pytest.fixture
def recorder():
    connections["postgres"].close()
    yield DjangoApplicationRecorder("app", StoredEventRecord, "postgres")
    connections["postgres"].close()


@on_database("postgres")
def test_a_session_that_lives_has_the_recorders_statements_planned_once(recorder):
    """One that ends after a few statements is spared the round trips."""
    use(recorder, 1)
    assert prepared("postgres") == []
    use(recorder, 20)
    assert sorted(statement[:6] for statement in prepared("postgres")) == ["INSERT", "SELECT", "SELECT", "SELECT"]


@on_database("postgres")
def test_statements_of_the_project_stay_as_they_are(recorder):
    """Django prepares nothing, and psycopg keeps none of their texts."""
    use(recorder, 10)
    for number in range(10):
        assert list(StoredEventRecord.objects.using("postgres").filter(pk=-number)) == []
    assert all("-" not in statement for statement in prepared("postgres"))
    assert connections["postgres"].connection.prepare_threshold is None


@pytest.mark.parametrize(
    "setting",
    [
        {"OPTIONS": {"prepare_threshold": None}},
        {"DISABLE_SERVER_SIDE_CURSORS": True},
        {"OPTIONS": {"pool": {"min_size": 1, "max_size": 1, "reset": lambda session: session.execute("DISCARD ALL")}}},
    ],
    ids=["turned off", "for a pooler", "a pool that forgets"],
)
@pytest.mark.django_db(databases=[], transaction=True)
def test_nothing_is_prepared_where_the_settings_speak_against_it(setting, django_db_blocker, postgres_database):
    """Names of prepared statements mean nothing, or something else, where sessions are shared."""
    with django_db_blocker.unblock(), added_database("shared", postgres_database):
        for name, value in setting.items():
            connections.settings["shared"][name] = connections["shared"].settings_dict[name] = value
        call_command("migrate", "eventsourcing_django", database="shared", verbosity=0)
        use(DjangoApplicationRecorder("app", StoredEventRecord, "shared"), 10)
        assert prepared("shared") == []
        connections["shared"].close()
        connections["shared"].close_pool()


class Pooler(LossyProxy):
    """Tells its clients keys of its own, as poolers do."""

    def _forward(self, source, target, answers):
        super()._forward(_RekeyingSocket(source) if answers else source, target, answers)


class _RekeyingSocket:
    """Changes the process that a server names in its message `BackendKeyData`."""

    _KEY = b"K\0\0\0\x0c"

    def __init__(self, source):
        self._source = source

    def recv(self, size):
        data = self._source.recv(size)
        before, key, after = data.partition(self._KEY)
        return before + key + bytes(byte ^ 1 for byte in after[:4]) + after[4:] if key else data

    def shutdown(self, how):
        self._source.shutdown(how)


@pytest.mark.django_db(databases=[], transaction=True)
def test_nothing_is_prepared_behind_a_pooler(django_db_blocker, postgres_database):
    """It is known by the key of the session, which is not that of the server's process."""
    url = urlsplit(postgres_database)
    pooler = Pooler(url.hostname, url.port)
    through = url._replace(netloc=url.netloc.replace(f":{url.port}", f":{pooler.port}")).geturl()
    with django_db_blocker.unblock(), added_database("pooler", through):
        call_command("migrate", "eventsourcing_django", database="pooler", verbosity=0)
        use(DjangoApplicationRecorder("app", StoredEventRecord, "pooler"), 10)
        assert prepared("pooler") == []
    pooler.close()


@on_database("postgres")
def test_statements_that_somebody_deallocates_are_sent_in_full(recorder):
    """From then on, in this session; a transaction that is open then has failed."""
    use(recorder, 10)
    with connections["postgres"].cursor() as cursor:
        assert prepared("postgres") != []
        cursor.execute("DEALLOCATE ALL")
    use(recorder, 3)
    assert prepared("postgres") == []


@on_database("postgres")
def test_statements_that_are_deallocated_in_a_transaction_fail_once(recorder):
    """The save has a savepoint of its own, so the transaction can go on; the next save is sent in full."""
    use(recorder, 10)
    with transaction.atomic(using="postgres"):
        with connections["postgres"].cursor() as cursor:
            assert prepared("postgres") != []
            cursor.execute("DEALLOCATE ALL")
        with pytest.raises(ProgrammingError):
            recorder.insert_events([StoredEvent(uuid4(), 1, "topic", b"")])
        use(recorder, 3)


@on_database("postgres")
def test_a_column_of_another_type_is_noticed(recorder):
    """PostgreSQL refuses the old plan, and the statement is sent in full."""
    use(recorder, 10)
    with connections["postgres"].cursor() as cursor:
        cursor.execute("ALTER TABLE stored_events ALTER topic TYPE varchar(100)")
        try:
            use(recorder, 3)
        finally:
            cursor.execute("ALTER TABLE stored_events ALTER topic TYPE text")
