"""The daemon that keeps followers up to date, in this process and in processes of its own."""

import json
import logging
import os
import signal
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from databases import ALIASES, added_database, on_database
from django.core.management import CommandError, call_command
from django.db import connections
from eventsourcing.system import MultiThreadedRunner, SingleThreadedRunner
from school.applications import Celebrations, Counters, Dog, TrainingSchool, make_system
from school.running import RUNNER
from waiting import wait_until

from eventsourcing_django.election import NoElection, UnsupportedElectionError, election_in
from eventsourcing_django.follower_daemon import DaemonOptions, FollowerDaemon, FollowerGivenUpError
from eventsourcing_django.health_file import read_health
from eventsourcing_django.synchronisation import Synchronizer

TESTS = Path(__file__).parent
LONG = 60.0

each_database = pytest.mark.parametrize(
    "alias", [pytest.param(each, marks=on_database(each)) for each in ALIASES if each != "default"]
)
on_servers = pytest.mark.parametrize(
    "alias", [pytest.param(each, marks=on_database(each)) for each in ("postgres", "mariadb")]
)


@pytest.fixture
def runner(alias):
    env = {"PERSISTENCE_MODULE": "eventsourcing_django", "DJANGO_DB_ALIAS": alias}
    runner = SingleThreadedRunner(make_system(), env=env)
    runner.start()
    return runner


@pytest.fixture
def school(alias):
    """The application as another process has it, which prompts nobody."""
    school = TrainingSchool(env={"PERSISTENCE_MODULE": "eventsourcing_django", "DJANGO_DB_ALIAS": alias})
    school.register("Fido")
    return school


class Running(threading.Thread):
    """A daemon in a thread; an error of it is raised at the end of the block."""

    def __init__(self, runner, followers=("Counters", "Celebrations"), election=None, **options):
        super().__init__()
        elected = election or NoElection()
        self.daemon_ = FollowerDaemon(
            Synchronizer(runner), dict.fromkeys(followers, elected), DaemonOptions(**{"poll_interval": 0.05} | options)
        )
        self.error = None

    def run(self):
        try:
            with self.daemon_:
                self.daemon_.run()
        except Exception as error:  # noqa: BLE001  # raised again in the thread of the test
            self.error = error

    def __enter__(self):
        self.start()
        return self.daemon_

    def __exit__(self, *_):
        self.daemon_.stop()
        self.join(30)
        assert not self.is_alive()
        if self.error:
            raise self.error


def processed(runner):
    """Wait until both followers have processed everything; return what they have counted."""
    school, counters, celebrations = (runner.get(each) for each in (TrainingSchool, Counters, Celebrations))
    counters.recorder.wait("TrainingSchool", school.recorder.max_notification_id(), timeout=60)
    celebrations.recorder.wait("Counters", counters.recorder.max_notification_id(), timeout=60)
    return counters.count, celebrations.count


@each_database
def test_followers_process_what_there_is_and_what_comes(runner, school):
    """The next follower in line as well, whose leader is a follower here."""
    school.add_trick("Fido", "sit")
    with Running(runner) as daemon:
        assert processed(runner) == (1, 1)
        for number in range(3):
            school.add_trick("Fido", f"trick {number}")
        assert processed(runner) == (4, 4)
    assert daemon.health.followers["Counters"].processed == 5
    assert daemon.health.status == "stopped"


@on_database("postgres")
@pytest.mark.parametrize("alias", ["postgres"])
def test_on_postgresql_it_is_told(runner, school):
    """It does not wait for the end of its poll interval."""
    with Running(runner, poll_interval=LONG):
        processed(runner)
        started = time.monotonic()
        for number in range(3):
            school.add_trick("Fido", f"trick {number}")
            assert processed(runner) == (number + 1, number + 1)
        assert time.monotonic() - started < LONG / 2


@each_database
def test_a_failing_follower_is_tried_again_and_holds_up_nobody_else(runner, school, monkeypatch, caplog):
    """It resumes at the event that it has failed at, and each failure is logged with its cause."""
    failures = iter([ZeroDivisionError("bad luck")] * 3)
    monkeypatch.setattr(Celebrations, "process", lambda self, event: _raise_next(failures))
    with caplog.at_level(logging.ERROR), Running(runner, first_backoff=0.02, longest_backoff=0.05) as daemon:
        school.add_trick("Fido", "sit")
        school.add_trick("Fido", "roll over")
        assert processed(runner) == (2, 2)
    records = [record for record in caplog.records if record.name == "eventsourcing_django.follower_daemon"]
    assert [record.exc_info[0] for record in records] == [ZeroDivisionError] * 3
    assert daemon.health.followers["Celebrations"].status == "following"
    assert daemon.health.followers["Counters"].failures == 0


def _raise_next(errors):
    for error in errors:
        raise error


@each_database
def test_back_off_grows_and_ends(runner, school, monkeypatch):
    """Each failure in a row doubles the wait, up to the longest, and the allowed number ends the daemon."""
    waits = []
    before = FollowerDaemon._back_off

    def remember(daemon, report, error):
        started = time.monotonic()
        try:
            before(daemon, report, error)
        finally:
            waits.append(round(daemon._retry_at[report.follower] - started, 2))

    monkeypatch.setattr(FollowerDaemon, "_back_off", remember)
    monkeypatch.setattr(Counters, "process", lambda *_: 1 / 0)
    school.add_trick("Fido", "sit")
    running = Running(runner, ["Counters"], first_backoff=0.1, longest_backoff=0.3, max_failures=4)
    with pytest.raises(FollowerGivenUpError, match="Counters has failed 4 times in a row"), running:
        running.join(30)
    assert waits == [0.1, 0.2, 0.3, 0.3]


@each_database
def test_a_backlog_of_one_follower_does_not_hold_up_another(runner, school, monkeypatch):
    """Followers take turns of a hundred events."""
    order = []
    for application in (Counters, Celebrations):
        monkeypatch.setattr(application, "process", lambda self, event: order.append(self.name))
    dog = school.repository.get(Dog.create_id("Fido"))
    for number in range(110):
        dog.add_trick(f"trick {number}")
    school.save(dog)
    with Running(runner):
        assert processed(runner) == (110, 110)
    assert 90 < order.index("Celebrations") <= 100


@on_servers
def test_killed_sessions_stop_nobody(runner, school, alias):
    """Its sessions, those of the election and of listening included, are made anew, and each event counts once."""
    election = election_in(alias)
    with Running(runner, election=election, first_backoff=0.05) as daemon:
        for number in range(1, 6):
            school.add_trick("Fido", f"trick {number}")
            assert processed(runner) == (number, number)
            kill_other_sessions(alias)
            wait_until(lambda: daemon.health.followers["Counters"].status == "following")
    assert processed(runner) == (5, 5)


def kill_other_sessions(alias):
    """End all sessions of the database but this thread's."""
    with connections[alias].cursor() as cursor:
        if alias == "postgres":
            cursor.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            return
        for number in others_on_mariadb(cursor):
            cursor.execute("KILL %s", [number])
        # The server ends them when it gets to it, and their locks with them.
        wait_until(lambda: not others_on_mariadb(cursor))


def others_on_mariadb(cursor):
    cursor.execute("SELECT id FROM information_schema.processlist WHERE db = database() AND id <> connection_id()")
    return [number for (number,) in cursor.fetchall()]


@each_database
def test_one_of_two_elections_holds_a_follower(alias):
    """The other one has it as soon as the first one gives it up; other followers are not concerned."""
    one, other = election_in(alias), election_in(alias)
    one.renew(["Counters"])
    other.renew(["Counters", "Celebrations"])
    assert (one.held, other.held) == ({"Counters"}, {"Celebrations"})
    one.renew(["Counters"])
    assert one.held == {"Counters"}
    one.close()
    other.renew(["Counters", "Celebrations"])
    assert (one.held, other.held) == (set(), {"Counters", "Celebrations"})
    other.close()


def test_databases_of_a_server_have_elections_of_their_own(mariadb_service, django_db_blocker):
    """Two projects may have followers of the same name, and a lock's name is known in the whole server of MariaDB."""
    elsewhere = f"{mariadb_service.url.rpartition('/')[0]}/information_schema"
    with (
        django_db_blocker.unblock(),
        added_database("here", mariadb_service.url),
        added_database("elsewhere", elsewhere),
    ):
        elections = [election_in("here"), election_in("elsewhere")]
        for election in elections:
            election.renew(["Counters"])
        held = [election.held.copy() for election in elections]
        for election in elections:
            election.close()
    assert held == [{"Counters"}, {"Counters"}]


@on_database("file")
def test_a_link_in_the_place_of_a_lock_is_not_followed(tmp_path):
    """Whoever can write beside the database does not have the daemon make files elsewhere."""
    with added_database("linked", f"sqlite://{tmp_path}/events.sqlite3"):
        election = election_in("linked")
        election.renew(["Counters"])
        election.close()
        (lock,) = tmp_path.glob("*.lock")
        lock.unlink()
        lock.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(OSError, match="lock"):
            election.renew(["Counters"])
    assert not (tmp_path / "elsewhere").exists()


@on_servers
def test_a_lost_session_loses_the_election(alias):
    """It is noticed at the next look, and the other one may have it meanwhile."""
    one, other = election_in(alias), election_in(alias)
    one.renew(["Counters"])
    kill_other_sessions(alias)
    other.renew(["Counters"])
    one.renew(["Counters"])
    assert one.held == set()
    one.renew(["Counters"])
    assert (one.held, other.held) == (set(), {"Counters"})
    one.close()
    other.close()


def test_memory_needs_no_election():
    """Nobody else can see the database."""
    assert isinstance(election_in("default"), NoElection)


def test_a_database_without_a_lock_that_ends_with_the_process_is_an_error(monkeypatch):
    """The error names it."""
    monkeypatch.setattr(connections["default"], "vendor", "oracle", raising=False)
    with pytest.raises(UnsupportedElectionError, match="'default', which is a oracle database"):
        election_in("default")


@each_database
def test_the_health_file_says_how_it_is(runner, school, tmp_path, monkeypatch):
    """Who runs, up to where followers have got, and what class of error they fail with, but not its text."""
    path = tmp_path / "health.json"
    monkeypatch.setattr(Celebrations, "process", lambda *_: (_ for _ in ()).throw(ValueError("a secret")))
    school.add_trick("Fido", "sit")
    with Running(runner, health_file=path, first_backoff=LONG):
        wait_until(lambda: path.exists() and read_health(path).failing() == ["Celebrations"])
        health = read_health(path)
        assert health.problem() is None
    assert "a secret" not in path.read_text()
    assert (health.pid, health.status, health.followers["Counters"].status) == (os.getpid(), "running", "following")
    assert health.followers["Counters"].positions == {"TrainingSchool": 2}
    assert health.followers["Celebrations"].error == "ValueError"
    assert datetime.fromisoformat(health.followers["Celebrations"].retry_at) > datetime.now(UTC)
    assert read_health(path).problem() == "the daemon is stopped"
    assert list(tmp_path.iterdir()) == [path]


def healthy(path, **changes):
    content = {
        "version": 1,
        "status": "running",
        "pid": 1,
        "host": "here",
        "started_at": datetime.now(UTC).isoformat(),
        "written_at": datetime.now(UTC).isoformat(),
        "stale_after": 30.0,
        "followers": {"Counters": {"status": "following"}},
    } | changes
    path.write_text(json.dumps(content))


def check(path):
    """Run the command's check and return its exit status and what it says."""
    out = StringIO()
    try:
        call_command("run_followers", check=True, health_file=path, stdout=out)
    except CommandError as error:
        return error.returncode, str(error)
    return 0, out.getvalue()


def test_a_health_file_is_checked(tmp_path):
    """Exit status 0 says that the daemon works, 1 that it does not, 3 that a follower fails."""
    path = tmp_path / "health.json"
    assert check(path) == (1, f"There is no health file {path}")
    healthy(path)
    assert check(path) == (0, f"{path}: works\n")
    healthy(path, written_at=(datetime.now(UTC) - timedelta(seconds=31)).isoformat())
    assert check(path) == (1, f"{path}: stale: written 31 s ago, more than 30 s")
    healthy(path, followers={"Counters": {"status": "failing"}, "Celebrations": {"status": "standby"}})
    assert check(path) == (3, f"{path}: failing: Counters")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"version": 2}',
        '{"version": 1}',
        '{"version": 1, "followers": []}',
        '{"version": 1, "followers": {}, "stale_after": 30, "written_at": "2026-01-01T00:00"}',
        '{"version": 1, "followers": {}, "stale_after": "30", "written_at": "2026-01-01T00:00Z"}',
    ],
)
def test_something_else_is_no_health_file(tmp_path, text):
    """It is a problem that the check names, not a crash."""
    path = tmp_path / "health.json"
    path.write_text(text)
    status, said = check(path)
    assert (status, str(path) in said) == (1, True)


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


@pytest.fixture(params=["sqlite", "postgresql"])
def shared(request, tmp_path, django_db_setup, django_db_blocker):
    """A migrated database of its own with a dog: its school, its counters, and the environment of processes."""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_database")
    else:
        url = f"sqlite://{tmp_path}/school.sqlite3"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDEVMODE"} | {
        "DJANGO_SETTINGS_MODULE": "settings",
        "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
        "SCHOOL_DATABASE_URL": url,
    }
    with django_db_blocker.unblock(), added_database("shared", url):
        call_command("migrate", database="shared", verbosity=0)
        env = {"PERSISTENCE_MODULE": "eventsourcing_django", "DJANGO_DB_ALIAS": "shared"}
        applications = {each.__name__: each(env=env) for each in (TrainingSchool, Counters, Celebrations)}
        applications["TrainingSchool"].register("Fido")
        yield SimpleNamespace(environment=environment, **applications)


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
    assert process.wait(30) == 0
    assert read_health(health).status == "stopped"
    assert_each_once(shared, 1)


def test_killed_daemons_process_each_event_once(shared, process_guard, tmp_path):
    """Two run beside each other, one of them is killed again and again while events come, and nothing is done twice."""
    rounds = int(os.environ.get("EVENTSOURCING_TEST_KILLS", "3"))
    daemons = [start(process_guard, shared, tmp_path / f"log-{number}") for number in range(2)]
    tricks, fail_over = 0, []
    for number in range(rounds):
        victim = daemons.pop(0)
        for place in range(10):
            if place == 5:
                os.kill(victim.pid, signal.SIGKILL)
            shared.TrainingSchool.add_trick("Fido", f"trick {tricks}")
            tricks += 1
        victim.wait(30)
        started = time.monotonic()
        wait_until(lambda expected=tricks: all_processed(shared, expected))
        fail_over.append(time.monotonic() - started)
        daemons.append(start(process_guard, shared, tmp_path / f"log-{number + 2}"))
    print(f"{tricks} events, {rounds} kills, slowest fail-over {max(fail_over):.2f} s")  # noqa: T201  # shown with -rP
    assert_each_once(shared, tricks)
    for daemon in daemons:
        os.kill(daemon.pid, signal.SIGTERM)
        assert daemon.wait(30) == 0
