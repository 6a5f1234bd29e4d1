"""All sessions of the database are killed again and again while processes write events and follow them."""

import json
import os
import sys
import time
from pathlib import Path

import pytest
from databases import added_database, environment_of
from django.core.management import call_command
from django.db import connections
from school.applications import Dog, TrainingSchool
from school.receipts import Receipts
from tailing import Tail
from waiting import PATIENCE, wait_until

# A longer storm: EVENTSOURCING_TEST_STORM_SECONDS=60
SECONDS = float(os.environ.get("EVENTSOURCING_TEST_STORM_SECONDS", "3"))
BETWEEN_KILLS = 1.0 if SECONDS > 10 else 0.3
ROUNDS = round(SECONDS / BETWEEN_KILLS)
WRITERS = 3
DAEMONS = 2
PAUSE = "0.01"  # seconds between two saves of a writer, so that followers are not left far behind
TESTS = Path(__file__).parent
ENV = {"PERSISTENCE_MODULE": "eventsourcing_django", "DJANGO_DB_ALIAS": "storm"}


@pytest.fixture
def environment(postgres_database, django_db_setup, django_db_blocker):
    """A migrated database of its own, `storm` in this process; gives the environment of other processes."""
    with django_db_blocker.unblock(), added_database("storm", postgres_database):
        call_command("migrate", "eventsourcing_django", database="storm", verbosity=0)
        yield environment_of(postgres_database) | {"SCHOOL_RUNNER": "school.receipts.make_runner"}


def kill_all():
    """End every session but this one, and return how many there were."""
    with connections["storm"].cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return cursor.fetchone()[0]


def storm():
    """Kill all sessions for some time, and return how many there were."""
    killed = 0
    for _ in range(ROUNDS):
        time.sleep(BETWEEN_KILLS)
        killed += kill_all()
    return killed


def wait_for_growth(value, goal):
    """Wait until a value has reached a goal, as long as it grows."""
    while (before := value()) < goal:
        wait_until(lambda before=before: value() > before)


def stopped(processes):
    """Ask processes to stop, and return their exit statuses."""
    for process in processes:
        process.terminate()
    return [process.wait(PATIENCE) for process in processes]


def test_nothing_is_lost_and_nothing_is_done_twice(environment, process_guard, tmp_path):
    """Every save is stored once, every event is given to the subscription and processed by the daemons once."""
    files = [tmp_path / f"writer-{number}" for number in range(WRITERS)]
    programs = [[TESTS / "dog_writer.py", file, PAUSE] for file in files]
    programs += [[TESTS / "manage.py", "run_followers", "--poll-interval", "0.2", "--max-backoff", "0.5"]] * DAEMONS
    processes = [process_guard.spawn([sys.executable, *program], env=environment) for program in programs]
    tail, school, receipts = Tail(ENV), TrainingSchool(env=ENV), Receipts(env=ENV)
    tail.start()
    # Everybody is at work.
    wait_until(lambda: all(Dog.create_id(f"{file.name} 0") in school.repository for file in files))
    wait_until(lambda: tail.seen and receipts.recorder.max_tracking_id("TrainingSchool"))
    killed = storm()
    assert stopped(processes[:WRITERS]) == [0] * WRITERS
    last = school.recorder.max_notification_id()
    wait_for_growth(lambda: receipts.recorder.max_tracking_id("TrainingSchool"), last)
    wait_for_growth(lambda: tail.seen[-1], last)
    assert stopped(processes[WRITERS:]) == [0] * DAEMONS
    tail.stop()

    results = [json.loads(file.read_text()) for file in files]
    dogs, errors = [dog for result in results for dog in result["dogs"]], sum(result["errors"] for result in results)
    stored = school.recorder.select_notifications(None, 1_000_000)
    print(f"{SECONDS:.0f} s, {killed} sessions killed, {len(dogs)} saves, {errors} tried again")  # noqa: T201  # -rP
    assert tail.failure is None
    assert sorted(event.originator_id for event in stored) == sorted(map(Dog.create_id, dogs))
    assert tail.seen == [event.id for event in stored]
    assert len(receipts.recorder.select_notifications(None, 1_000_000)) == len(dogs)
    assert killed > ROUNDS
