"""Followers of a running system, beside transactions of the project."""

import threading

import pytest
from databases import ALIASES, on_database
from django.db import transaction
from eventsourcing.system import (
    MultiThreadedRunner,
    NewMultiThreadedRunner,
    NewSingleThreadedRunner,
    SingleThreadedRunner,
    System,
)
from school.applications import Counters, TrainingSchool
from waiting import PATIENCE

WITH_THREADS = [MultiThreadedRunner, NewMultiThreadedRunner]
IN_THIS_THREAD = [SingleThreadedRunner, NewSingleThreadedRunner]

each_database = pytest.mark.parametrize("alias", [pytest.param(each, marks=on_database(each)) for each in ALIASES])
# Threads that share an in-memory SQLite database cannot read beside an open transaction.
each_shared_database = pytest.mark.parametrize(
    "alias", [pytest.param(each, marks=on_database(each)) for each in ALIASES if each != "default"]
)


@pytest.fixture
def running(request, alias):
    """A started runner of a school whose tricks are counted."""
    env = {"PERSISTENCE_MODULE": "eventsourcing_django", "DJANGO_DB_ALIAS": alias}
    runner = request.param(System([[TrainingSchool, Counters]]), env=env)
    runner.start()
    runner.get(TrainingSchool).register("Fido")
    settled(runner)
    yield runner
    runner.stop()


def settled(runner):
    """Wait until the follower has processed what there is; return how many tricks it has counted."""
    school, counters = runner.get(TrainingSchool), runner.get(Counters)
    assert counters.recorder.wait("TrainingSchool", school.recorder.max_notification_id(), timeout=PATIENCE) is None
    return counters.count


@each_shared_database
@pytest.mark.parametrize("running", WITH_THREADS + IN_THIS_THREAD, indirect=True)
def test_what_is_committed_is_processed(running, alias):
    """Once, though several saves are in the transaction and others before and after it."""
    school = running.get(TrainingSchool)
    school.add_trick("Fido", "sit")
    # A transaction that reads first cannot write in SQLite once a follower has written meanwhile.
    assert settled(running) == 1
    with transaction.atomic(using=alias):
        school.add_trick("Fido", "roll over")
        school.add_trick("Fido", "play dead")
    assert settled(running) == 3
    school.add_trick("Fido", "fetch")
    assert settled(running) == 4


@each_shared_database
@pytest.mark.parametrize("running", WITH_THREADS + IN_THIS_THREAD, indirect=True)
def test_what_is_rolled_back_is_never_processed(running, alias):
    """Nor does it stand in the way of what is recorded at the same position afterwards."""
    school = running.get(TrainingSchool)
    for _ in range(2):
        with transaction.atomic(using=alias):
            school.add_trick("Fido", "bite")
            transaction.set_rollback(True, using=alias)
    before = running.get(Counters).recorder.max_tracking_id("TrainingSchool")
    school.add_trick("Fido", "sit")
    assert before == 1
    assert settled(running) == 1
    assert school.get_tricks("Fido") == ["sit"]


@each_database
@pytest.mark.parametrize("running", [SingleThreadedRunner], indirect=True)
def test_a_single_threaded_runner_processes_inside_the_transaction(running, alias):
    """As with eventsourcing-django: its followers' events are there at once, and go with a rollback."""
    with transaction.atomic(using=alias):
        running.get(TrainingSchool).add_trick("Fido", "bite")
        assert running.get(Counters).count == 1
        transaction.set_rollback(True, using=alias)
    assert running.get(Counters).count == 0
    running.get(TrainingSchool).add_trick("Fido", "sit")
    assert running.get(Counters).count == 1


@pytest.mark.django_db(transaction=True, reset_sequences=True, databases=["default", "file"])
def test_a_follower_in_another_database_waits_for_the_commit():
    """It is no part of the transaction, so it would keep what is rolled back."""
    env = {"PERSISTENCE_MODULE": "eventsourcing_django", "COUNTERS_DJANGO_DB_ALIAS": "file"}
    with SingleThreadedRunner(System([[TrainingSchool, Counters]]), env=env) as runner:
        school, counters = runner.get(TrainingSchool), runner.get(Counters)
        with transaction.atomic():
            school.register("Fido")
            transaction.set_rollback(True)
        with transaction.atomic():
            school.register("Rex")
            assert counters.recorder.max_tracking_id("TrainingSchool") is None
        assert counters.recorder.max_tracking_id("TrainingSchool") == 1


@each_shared_database
@pytest.mark.parametrize("running", [NewMultiThreadedRunner, NewSingleThreadedRunner], indirect=True)
def test_events_of_another_process_are_not_skipped(running, alias):
    """The next prompt makes up for events that nobody has prompted for."""
    env = {"PERSISTENCE_MODULE": "eventsourcing_django", "DJANGO_DB_ALIAS": alias}
    elsewhere = TrainingSchool(env=env)
    for number in range(3):
        elsewhere.add_trick("Fido", f"unheard {number}")
        running.get(TrainingSchool).add_trick("Fido", f"heard {number}")
    assert settled(running) == 6


@pytest.mark.parametrize("alias", [pytest.param("postgres", marks=on_database("postgres"))])
@pytest.mark.parametrize("running", [SingleThreadedRunner], indirect=True)
def test_work_left_to_another_thread_is_not_lost(running, alias, monkeypatch):
    """While one thread is at the followers' work, another one's transaction is still open, and commits later."""
    school = running.get(TrainingSchool)
    busy, saved = threading.Event(), threading.Event()

    def keep_busy(self, domain_event):
        if domain_event.trick == "sit":
            busy.set()
            assert saved.wait(PATIENCE)

    monkeypatch.setattr(Counters, "process", keep_busy)

    def save_outside():
        school.add_trick("Fido", "sit")

    other = threading.Thread(target=save_outside)
    other.start()
    assert busy.wait(PATIENCE)
    with transaction.atomic(using=alias):
        school.register("Rex")
        school.add_trick("Rex", "roll over")
        saved.set()
        other.join(PATIENCE)
    assert settled(running) == 2
