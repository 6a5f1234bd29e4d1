"""The command that runs followers, in this process and in processes of its own."""

import os
import signal
import socket
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit, urlunsplit

import pytest
from databases import added_database, environment_of
from django.core.management import CommandError, call_command
from eventsourcing.system import MultiThreadedRunner, SingleThreadedRunner
from school.applications import Celebrations, Counters, TrainingSchool, make_system
from school.running import RUNNER
from waiting import PATIENCE, wait_until

from eventsourcing_django.health_file import read_health

TESTS = Path(__file__).parent
# More kills, and on MariaDB as well: EVENTSOURCING_TEST_KILLS=20
KILLS = os.environ.get("EVENTSOURCING_TEST_KILLS")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--check"], "--health-file"),
        (["Cuonters"], r"Unknown follower\(s\): Cuonters"),
        (["--poll-interval", "0"], "above 0"),
        (["--max-failures", "x"], "above 0"),
        (["--health-file", "/nowhere/health.json"], "/nowhere/health.json cannot be written"),
    ],
)
@pytest.mark.django_db(transaction=True)
def test_wrong_arguments_are_named(arguments, said, settings):
    """Before anything is processed."""
    settings.EVENTSOURCING_RUNNER = "school.running.get_runner"
    RUNNER["runner"] = MultiThreadedRunner(make_system(), env={"PERSISTENCE_MODULE": "eventsourcing_django"})
    try:
        with pytest.raises(CommandError, match=said):
            call_command("run_followers", *arguments, verbosity=0)
    finally:
        if RUNNER["runner"].is_started:
            RUNNER["runner"].stop()


@pytest.mark.django_db(transaction=True)
def test_followers_outside_django_need_a_word(settings):
    """There is no lock for them, so the user has to say that there is one process."""
    settings.EVENTSOURCING_RUNNER = "school.running.get_runner"
    RUNNER["runner"] = SingleThreadedRunner(make_system(), env={"PERSISTENCE_MODULE": "eventsourcing.popo"})
    with pytest.raises(CommandError, match="Counters, Celebrations, whose events are outside .* --no-election"):
        call_command("run_followers", verbosity=0)


@pytest.fixture(params=["sqlite", "postgres", *(["mariadb"] if KILLS else [])])
def shared(request, new_database, django_db_blocker):
    """A migrated database of its own with a dog: its school, its counters, and the environment of processes."""
    url = new_database(request.param)
    with django_db_blocker.unblock(), added_database("shared", url):
        call_command("migrate", database="shared", verbosity=0)
        env = {"PERSISTENCE_MODULE": "eventsourcing_django", "DJANGO_DB_ALIAS": "shared"}
        applications = {each.__name__: each(env=env) for each in (TrainingSchool, Counters, Celebrations)}
        applications["TrainingSchool"].register("Fido")
        yield SimpleNamespace(environment=environment_of(url), **applications)


def start(guard, shared, log, *arguments):
    """Start a daemon and wait until it runs."""
    command = [sys.executable, TESTS / "manage.py", "run_followers", "--poll-interval", "0.1", *arguments]
    process = guard.spawn(command, env=shared.environment, log=log)
    wait_until(lambda: "Running" in log.read_text() if log.exists() else False)
    return process


def all_processed(shared, tricks):
    """Whether both followers have processed everything."""
    last = shared.TrainingSchool.recorder.max_notification_id()
    return shared.Counters.recorder.max_tracking_id("TrainingSchool") == last and shared.Celebrations.count == tricks


def assert_each_once(shared, tricks):
    """Every trick was counted, and celebrated, exactly once."""
    assert (shared.Counters.count, shared.Celebrations.count) == (tricks, tricks)
    for follower in (shared.Counters, shared.Celebrations):
        assert len(follower.recorder.select_notifications(None, 10_000)) == tricks + 1


def test_a_signal_stops_it_after_the_event(shared, process_guard, tmp_path):
    """It exits with 0 and says in the health file that it was stopped; events come, and are left for the next one."""
    health = tmp_path / "health.json"
    process = start(process_guard, shared, tmp_path / "log", "--health-file", str(health))
    shared.TrainingSchool.add_trick("Fido", "sit")
    wait_until(lambda: all_processed(shared, 1))
    wait_until(lambda: read_health(health).followers["Counters"].processed == 2)
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(PATIENCE) == 0
    assert read_health(health).status == "stopped"
    assert_each_once(shared, 1)


def test_a_database_that_is_away_at_the_start_is_waited_for(postgres_database, process_guard, tmp_path):
    """The health file says that followers fail, because nobody runs them; a signal still ends the daemon."""
    parts = urlsplit(postgres_database)
    health = tmp_path / "health.json"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen, and nobody else can
        login = parts.netloc.rpartition("@")[0]
        nobody_there = urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{taken.getsockname()[1]}"))
        away = SimpleNamespace(environment=environment_of(nobody_there))
        process = start(process_guard, away, tmp_path / "log", "--health-file", str(health), "--stale-after", "600")
        wait_until(lambda: health.exists() and read_health(health).failing() == ["Counters", "Celebrations"])
        with pytest.raises(CommandError, match="failing: Counters, Celebrations") as failed:
            call_command("run_followers", check=True, health_file=health)
        assert failed.value.returncode == 3
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    assert parts.password not in (tmp_path / "log").read_text() + health.read_text()


def test_killed_daemons_process_each_event_once(shared, process_guard, tmp_path):
    """Two run beside each other, one of them is killed again and again while events come, and nothing is done twice."""
    rounds = int(KILLS or 3)
    daemons = [start(process_guard, shared, tmp_path / f"log-{number}") for number in range(2)]
    tricks, fail_over = 0, []
    for number in range(rounds):
        victim = daemons.pop(0)
        for place in range(10):
            if place == 5:
                os.kill(victim.pid, signal.SIGKILL)
            shared.TrainingSchool.add_trick("Fido", f"trick {tricks}")
            tricks += 1
        victim.wait(PATIENCE)
        started = time.monotonic()
        wait_until(lambda expected=tricks: all_processed(shared, expected))
        fail_over.append(time.monotonic() - started)
        daemons.append(start(process_guard, shared, tmp_path / f"log-{number + 2}"))
    print(f"{tricks} events, {rounds} kills, slowest fail-over {max(fail_over):.2f} s")  # noqa: T201  # shown with -rP
    assert_each_once(shared, tricks)
    for daemon in daemons:
        os.kill(daemon.pid, signal.SIGTERM)
        assert daemon.wait(PATIENCE) == 0
