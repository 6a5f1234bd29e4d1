"""Recorders in the project's own transactions, with its routers, signals and settings."""

from uuid import uuid4

import pytest
from django.db import connections, transaction
from django.db.models.signals import post_save, pre_save
from eventsourcing.persistence import IntegrityError, StoredEvent, Tracking
from school.applications import TrainingSchool
from school.models import EventCounter

from eventsourcing_django.models import NotificationTrackingRecord, SnapshotRecord, StoredEventRecord
from eventsourcing_django.recorders import DjangoAggregateRecorder, DjangoProcessRecorder


def event(version=1, originator_id=None):
    return StoredEvent(originator_id or uuid4(), version, "topic", b"state")


@pytest.fixture
def recorder(alias):
    return DjangoProcessRecorder("app", StoredEventRecord, alias)


def test_events_and_models_roll_back_together(recorder, alias):
    """An error after both leaves neither."""
    with pytest.raises(ZeroDivisionError), transaction.atomic(using=alias):
        EventCounter.objects.using(alias).create(name="dogs")
        recorder.insert_events([event()])
        raise ZeroDivisionError
    assert not EventCounter.objects.using(alias).exists()
    assert recorder.max_notification_id() is None


def test_a_conflict_leaves_the_callers_transaction_usable(recorder, alias):
    """The version exists already: what else the transaction does is kept."""
    first = event()
    recorder.insert_events([first])
    with transaction.atomic(using=alias):
        EventCounter.objects.using(alias).create(name="dogs")
        with pytest.raises(IntegrityError):
            recorder.insert_events([event(), first])
        recorder.insert_events([event()])
    assert EventCounter.objects.using(alias).exists()
    assert StoredEventRecord.objects.using(alias).count() == 2


def test_a_passed_position_keeps_the_events_out(recorder):
    """Events and position are all or nothing, whichever of the two is refused."""
    recorder.insert_events([event()], tracking=Tracking("upstream", 5))
    for position in (4, 5):
        with pytest.raises(IntegrityError, match="already processed 'upstream'"):
            recorder.insert_events([event()], tracking=Tracking("upstream", position))
    assert len(recorder.select_notifications(None, 10)) == 1
    conflicting = recorder.select_notifications(None, 1)[0]
    with pytest.raises(IntegrityError):
        recorder.insert_events([event(1, conflicting.originator_id)], tracking=Tracking("upstream", 6))
    assert recorder.max_tracking_id("upstream") == 5


def test_positions_of_eventsourcing_django_are_honoured(recorder, alias):
    """Rows that it left, one per processed event, count, before and after this package adds its own."""
    old = NotificationTrackingRecord.objects.using(alias)
    for position in (1, 2, 3):
        old.create(application_name="app", upstream_application_name="upstream", notification_id=position)
    assert recorder.max_tracking_id("upstream") == 3
    for position in (2, 3):
        with pytest.raises(IntegrityError):
            recorder.insert_tracking(Tracking("upstream", position))
    recorder.insert_tracking(Tracking("upstream", 4))
    old.create(application_name="app", upstream_application_name="upstream", notification_id=7)
    with pytest.raises(IntegrityError):
        recorder.insert_tracking(Tracking("upstream", 6))
    recorder.insert_tracking(Tracking("upstream", 8))
    assert recorder.max_tracking_id("upstream") == 8


def test_applications_do_not_see_each_other(alias):
    """They share tables, and positions of one are not those of another."""
    one, other = (DjangoProcessRecorder(name, StoredEventRecord, alias) for name in ("one", "other"))
    shared = event()
    one.insert_events([shared], tracking=Tracking("upstream", 9))
    other.insert_events([shared])
    assert len(one.select_events(shared.originator_id)) == 1
    assert [n.id for n in other.select_notifications(None, 10)] == [2]
    assert other.max_tracking_id("upstream") is None


def test_signals_are_sent_to_those_who_listen(recorder, alias):
    """`pre_save` and `post_save` per event, with the row, and in the transaction of the save."""
    heard = []

    def listen(signal, instance, using, created=None, **_):
        heard.append((signal is post_save, instance.pk, instance.originator_version, created, using))

    originator_id = uuid4()
    for signal in (pre_save, post_save):
        signal.connect(listen, sender=StoredEventRecord)
    try:
        recorder.insert_events([event(1, originator_id), event(2, originator_id)])
    finally:
        for signal in (pre_save, post_save):
            signal.disconnect(listen, sender=StoredEventRecord)
    assert heard == [
        (False, None, 1, None, alias),
        (False, None, 2, None, alias),
        (True, 1, 1, True, alias),
        (True, 2, 2, True, alias),
    ]


def test_a_receiver_may_read_through_the_recorder_and_veto(recorder):
    """It sees the new event, does not wait for itself, and its error undoes the save."""
    seen = []

    def veto(instance, **_):
        seen.append(recorder.max_notification_id())
        raise ZeroDivisionError

    post_save.connect(veto, sender=StoredEventRecord)
    try:
        with pytest.raises(ZeroDivisionError):
            recorder.insert_events([event()])
    finally:
        post_save.disconnect(veto, sender=StoredEventRecord)
    assert seen == [1]
    assert recorder.max_notification_id() is None


def test_snapshots_take_no_lock(alias):
    """Nobody follows them, so nobody has to wait."""
    recorder = DjangoAggregateRecorder("app", SnapshotRecord, alias)
    with transaction.atomic(using=alias):
        recorder.insert_events([event()])
        if alias == "postgres":
            with connections[alias].cursor() as cursor:
                cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
                assert cursor.fetchone() == (0,)
    assert SnapshotRecord.objects.using(alias).count() == 1


@pytest.mark.django_db(transaction=True, reset_sequences=True, databases=["default", "file"])
def test_a_router_decides_once_for_everything(settings):
    """Transactions, locks, writes and reads meet in the database that the router names for writes."""
    settings.DATABASE_ROUTERS = ["school.routers.PrimaryAndReplica"]
    school = TrainingSchool(env={"PERSISTENCE_MODULE": "eventsourcing_django"})
    assert school.recorder.using == "file"
    school.register("Fido")
    assert school.recorder.max_notification_id() == 1
    first = event()
    with pytest.raises(IntegrityError):
        school.recorder.insert_events([event(), first, first])
    assert StoredEventRecord.objects.using("file").count() == 1
    assert StoredEventRecord.objects.using("default").count() == 0


@pytest.mark.django_db(transaction=True, reset_sequences=True, databases=["default", "file"])
def test_an_application_has_an_alias_of_its_own():
    """The variable prefixed with the application's name wins over the one for all."""
    env = {"PERSISTENCE_MODULE": "eventsourcing_django", "TRAININGSCHOOL_DJANGO_DB_ALIAS": "file"}
    school = TrainingSchool(env=env)
    school.register("Fido")
    assert StoredEventRecord.objects.using("file").count() == 1
    assert TrainingSchool(env=env | {"TRAININGSCHOOL_DJANGO_DB_ALIAS": ""}).recorder.using == "default"
