"""What the package adds to applications of eventsourcing 10; its own test classes are in `contract`."""

from io import StringIO
from uuid import UUID, uuid4

import pytest
from databases import on_database
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import transaction
from django.db.models.signals import post_save
from django.urls import reverse
from eventsourcing.metadata import put_metadata_in_context
from eventsourcing.persistence import StoredEvent
from eventsourcing.system import MultiThreadedRunner, SingleThreadedRunner
from school import running
from school.applications_10 import Celebrations, Counters, Dog, TrainingSchool, make_system
from waiting import PATIENCE

from eventsourcing_django.admin import applications
from eventsourcing_django.election import NoElection
from eventsourcing_django.follower_daemon import FollowerDaemon
from eventsourcing_django.library import DataError
from eventsourcing_django.models import StoredEventRecord, TextStoredEventRecord
from eventsourcing_django.recorders import DjangoApplicationRecorder
from eventsourcing_django.synchronisation import Synchronizer

NO_UUID = UUID(int=0)


def env_of(alias, **more):
    return {"PERSISTENCE_MODULE": "eventsourcing_django", "DJANGO_DB_ALIAS": alias, **more}


@pytest.fixture
def runner(alias):
    """A started runner of the school in each database."""
    runner = SingleThreadedRunner(make_system(), env=env_of(alias))
    runner.start()
    yield runner
    runner.stop()


@pytest.mark.parametrize("model", [StoredEventRecord, TextStoredEventRecord])
@pytest.mark.parametrize("heard", [False, True], ids=["", "signals"])
def test_the_uuid_and_the_metadata_of_an_event_are_kept(alias, model, heard, request):
    """Whatever they are, an event is read, and followed, as it was written; without them it has none."""
    saved = []

    def note(instance, **_):
        saved.append((instance.event_id, instance.metadata))

    if heard:
        post_save.connect(note, sender=model)
        request.addfinalizer(lambda: post_save.disconnect(note, sender=model))
    recorder = DjangoApplicationRecorder("app", model, alias)
    one = str(uuid4())
    events = [
        StoredEvent(
            originator_id=one, originator_version=1, topic="t", state=b"\0'", uuid=uuid4(),
            metadata={"who": "Zoë's \"dog\" \\ %s {}", "why": ""},
        ),
        StoredEvent(originator_id=one, originator_version=2, topic="t", state=b""),
    ]  # fmt: skip
    assert recorder.insert_events(events) == recorder.max_notification_id()
    assert recorder.select_events(one) == events
    followed = recorder.select_notifications(1, 10)
    assert [(each.uuid, each.metadata) for each in followed] == [(each.uuid, each.metadata) for each in events]
    assert saved == ([(events[0].uuid, events[0].metadata), (None, None)] if heard else [])


def test_events_of_eventsourcing_9_have_neither_uuid_nor_metadata(alias):
    """Their rows are read as they are, with the ID of the aggregate as text."""
    originator_id = uuid4()
    StoredEventRecord.objects.using(alias).create(
        application_name="app", originator_id=originator_id, originator_version=1, topic="t", state=b"s"
    )
    (event,) = DjangoApplicationRecorder("app", StoredEventRecord, alias).select_events(str(originator_id))
    assert (event.originator_id, event.uuid, event.metadata) == (str(originator_id), NO_UUID, {})


@on_database("default")
def test_an_id_that_is_no_uuid_is_refused_with_the_remedy():
    """IDs such as 'dog-<uuid>', which aggregates of 10 have by default, need the tables for text IDs."""
    recorder = DjangoApplicationRecorder("app", StoredEventRecord)
    with pytest.raises(DataError, match="ORIGINATOR_ID_TYPE"):
        recorder.insert_events([StoredEvent(originator_id="dog-1", originator_version=1, topic="t", state=b"")])


def test_metadata_of_a_request_reaches_the_events_of_followers(runner, alias):
    """The correlation that a view puts in the context is in its events, and in those that result from them."""
    with put_metadata_in_context({"correlation_id": "c", "causation_id": "v"}):
        runner.get(TrainingSchool).register("Fido")
        runner.get(TrainingSchool).add_trick("Fido", "sit")
    (trick,) = StoredEventRecord.objects.using(alias).filter(topic__endswith="TrickAdded")
    (count,) = StoredEventRecord.objects.using(alias).filter(topic__endswith="Started", application_name="Counters")
    assert trick.metadata == {"correlation_id": "c", "causation_id": "v"}
    assert count.metadata == {"correlation_id": "c", "causation_id": str(trick.event_id)}


@on_database("postgres")
@pytest.mark.parametrize("number", [1, 10, 100])
def test_a_save_is_one_statement(number, django_assert_num_queries):
    """On PostgreSQL, whatever the number of events, their metadata included."""
    recorder = DjangoApplicationRecorder("app", StoredEventRecord, "postgres")
    events = [
        StoredEvent(
            originator_id=str(uuid4()), originator_version=1, topic="t", state=b"", uuid=uuid4(), metadata={"a": "b"}
        )
        for _ in range(number)
    ]
    with django_assert_num_queries(1, using="postgres"):
        recorder.insert_events(events)


def test_followers_see_what_is_committed_and_nothing_else(runner, alias):
    """What a transaction that is rolled back has saved leaves no trace in any application."""
    school = runner.get(TrainingSchool)
    school.register("Fido")
    with pytest.raises(RuntimeError), transaction.atomic(using=alias):
        school.add_trick("Fido", "sit")
        assert runner.get(Counters).count == 1  # within the transaction
        raise RuntimeError
    assert (runner.get(Counters).count, runner.get(Celebrations).count) == (0, 0)
    with transaction.atomic(using=alias):
        school.add_trick("Fido", "roll over")
    assert (school.get_tricks("Fido"), runner.get(Counters).count, runner.get(Celebrations).count) == (
        ["roll over"], 1, 1,
    )  # fmt: skip


@on_database("file")
def test_threads_are_prompted_on_commit_only():
    """A follower in a thread of its own hears of events when it can see them."""
    with MultiThreadedRunner(make_system(), env=env_of("file")) as runner:
        school, counters = runner.get(TrainingSchool), runner.get(Counters)
        school.register("Fido")
        # A transaction of SQLite that has begun with a read cannot write once another connection has written.
        counters.recorder.wait("TrainingSchool", school.recorder.max_notification_id(), timeout=PATIENCE)
        with pytest.raises(RuntimeError), transaction.atomic(using="file"):
            school.add_trick("Fido", "sit")
            raise RuntimeError
        with transaction.atomic(using="file"):
            school.add_trick("Fido", "roll over")
        counters.recorder.wait("TrainingSchool", school.recorder.max_notification_id(), timeout=PATIENCE)
        assert counters.count == 1


@on_database("default")
def test_caches_keep_nothing_that_was_rolled_back():
    """The next save continues at the version that is in the database."""
    school = TrainingSchool(env=env_of("default", AGGREGATE_CACHE_MAXSIZE="10", AGGREGATE_CACHE_FASTFORWARD="n"))
    school.register("Fido")
    with pytest.raises(RuntimeError), transaction.atomic():
        school.add_trick("Fido", "sit")
        raise RuntimeError
    school.add_trick("Fido", "roll over")
    assert school.get_tricks("Fido") == ["roll over"]


def test_sync_followers_and_the_daemon_process_each_event_once(alias, settings, monkeypatch):
    """The command finds what was recorded while no runner ran; so does the daemon, and neither repeats anything."""
    school = TrainingSchool(env=env_of(alias))
    school.register("Fido")
    school.add_trick("Fido", "sit")
    runner = running.RUNNER["runner"] = SingleThreadedRunner(make_system(), env=env_of(alias))
    settings.EVENTSOURCING_RUNNER = "school.running.get_runner"
    out = StringIO()
    call_command("sync_followers", stdout=out)
    assert out.getvalue().count("OK") == 2
    school.add_trick("Fido", "roll over")
    with FollowerDaemon(Synchronizer(runner), dict.fromkeys(["Counters", "Celebrations"], NoElection())) as daemon:
        monkeypatch.setattr(Celebrations, "process", lambda *_: daemon.stop())
        daemon.run()
    assert (runner.get(Counters).count, runner.get(Celebrations).count) == (2, 2)


@pytest.mark.django_db(transaction=True)
def test_the_admin_decodes_events_and_replays_aggregates(client, runner_in_admin):
    """The timeline shows what each event says, and the state at a version."""
    school = runner_in_admin.get(TrainingSchool)
    school.register("Fido")
    school.add_trick("Fido", "<b>sit</b>")
    client.force_login(User.objects.create_superuser("admin"))
    query = {"application_name": "TrainingSchool", "originator_id": Dog.create_id("Fido")}
    page = client.get(reverse("admin:eventsourcing_django_storedeventrecord_timeline"), query).content.decode()
    assert "TrickAdded" in page
    assert "&lt;b&gt;sit" in page
    assert "<b>sit" not in page


@pytest.fixture
def runner_in_admin(settings):
    """A runner that the admin finds."""
    settings.EVENTSOURCING_RUNNER = "school.running.get_runner"
    runner = running.RUNNER["runner"] = SingleThreadedRunner(make_system(), env=env_of("default"))
    runner.start()
    applications._configured_runner.cache_clear()
    yield runner
    applications._configured_runner.cache_clear()
    runner.stop()
