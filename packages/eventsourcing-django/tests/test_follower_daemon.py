"""The daemon that keeps followers up to date, in a thread of this process."""

import logging
import os
import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest
from databases import ALIASES, kill_other_sessions, on_database
from django.db import OperationalError, connections, transaction
from eventsourcing.system import SingleThreadedRunner
from school.applications import Celebrations, Counters, Dog, TrainingSchool, make_system
from waiting import PATIENCE, wait_until

from eventsourcing_django.announcements import Announcements
from eventsourcing_django.election import NoElection, election_in
from eventsourcing_django.follower_daemon import DaemonOptions, FollowerDaemon, FollowerGivenUpError
from eventsourcing_django.health_file import read_health
from eventsourcing_django.synchronisation import Synchronizer

LONG = 3600.0  # longer than anybody waits here

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
        self.join(PATIENCE)
        assert not self.is_alive()
        if self.error:
            raise self.error


def processed(runner):
    """Wait until both followers have processed everything; return what they have counted."""
    school, counters, celebrations = (runner.get(each) for each in (TrainingSchool, Counters, Celebrations))
    counters.recorder.wait("TrainingSchool", school.recorder.max_notification_id(), timeout=PATIENCE)
    celebrations.recorder.wait("Counters", counters.recorder.max_notification_id(), timeout=PATIENCE)
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
        for number in range(3):
            school.add_trick("Fido", f"trick {number}")
            assert processed(runner) == (number + 1, number + 1)


@on_database("postgres")
@pytest.mark.parametrize("alias", ["postgres"])
def test_a_transaction_that_is_open_while_it_begins_to_listen_is_not_missed(runner, school, monkeypatch):
    """Its writer has found nobody listening, and the end of the poll interval is not waited for."""
    waits, wait = threading.Event(), Announcements.wait
    monkeypatch.setattr(Announcements, "wait", lambda *args: waits.set() or wait(*args))
    running = Running(runner, poll_interval=LONG)
    with ExitStack() as stack:
        with transaction.atomic(using="postgres"):
            school.add_trick("Fido", "sit")
            stack.enter_context(running)
            assert waits.wait(PATIENCE)
        assert processed(runner) == (1, 1)


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
    assert "It has processed Counters up to position " in caplog.text
    assert daemon.health.followers["Celebrations"].status == "following"
    assert daemon.health.followers["Counters"].failures == 0


def _raise_next(errors):
    for error in errors:
        raise error


@each_database
def test_back_off_grows_and_ends(runner, school, monkeypatch, caplog):
    """Each failure in a row doubles the wait, up to the longest, and the allowed number ends the daemon."""
    started = time.monotonic()
    monkeypatch.setattr(Counters, "process", lambda *_: 1 / 0)
    school.add_trick("Fido", "sit")
    running = Running(runner, ["Counters"], first_backoff=0.1, longest_backoff=0.3, max_failures=4)
    with pytest.raises(FollowerGivenUpError, match="Counters has failed 4 times in a row"), running:
        running.join(PATIENCE)
    assert time.monotonic() - started >= 0.1 + 0.2 + 0.3
    logged = [record.args for record in caplog.records if record.levelno == logging.ERROR]
    assert logged == [("Counters", number, wait) for number, wait in enumerate([0.1, 0.2, 0.3, 0.3], 1)]


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


@on_database("file")
@pytest.mark.parametrize("alias", ["file"])
def test_it_stops_when_the_event_in_work_is_done(runner, school, monkeypatch):
    """That one is committed as a whole, and the one after it is left for the next daemon."""
    begun, go_on = threading.Event(), threading.Event()
    monkeypatch.setattr(Counters, "process", lambda *_: begun.set() or go_on.wait(PATIENCE))
    school.add_trick("Fido", "sit")
    school.add_trick("Fido", "roll over")
    with Running(runner, ["Counters"]) as daemon:
        assert begun.wait(PATIENCE)
        daemon.stop()
        go_on.set()
    counters = runner.get(Counters)
    assert (counters.count, counters.recorder.max_tracking_id("TrainingSchool")) == (1, 2)


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


@each_database
def test_the_health_file_says_how_it_is(runner, school, tmp_path, monkeypatch):
    """Who runs, up to where followers have got, and what class of error they fail with, but not its text."""
    path = tmp_path / "health.json"
    monkeypatch.setattr(Celebrations, "process", lambda *_: (_ for _ in ()).throw(ValueError("a secret")))
    school.add_trick("Fido", "sit")
    with Running(runner, health_file=path, first_backoff=LONG, longest_backoff=LONG, stale_after=LONG):
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


@each_database
def test_the_health_file_says_how_far_followers_are_before_anything_happens(runner, school, tmp_path):
    """After a restart that has nothing to process: a position that is known is there as soon as somebody follows."""
    path = tmp_path / "health.json"
    with Running(runner):
        school.add_trick("Fido", "sit")
        assert processed(runner) == (1, 1)
    with Running(runner, poll_interval=LONG, health_file=path):
        wait_until(lambda: path.exists() and read_health(path).followers["Counters"].status == "following")
        followers = read_health(path).followers
    positions = {name: follower.positions for name, follower in followers.items()}
    counted = runner.get(Counters).recorder.max_notification_id()
    assert positions == {"Counters": {"TrainingSchool": 2}, "Celebrations": {"Counters": counted}}
    assert followers["Counters"].processed == 0


@on_database("file")
@pytest.mark.parametrize("alias", ["file"])
def test_a_database_that_does_not_tell_positions_is_a_failure_of_its_follower(runner, school, monkeypatch, caplog):
    """It ends nothing: the follower is tried again, and goes on from where it was."""
    asked, tell = threading.Event(), runner.get(Counters).recorder.max_tracking_id
    school.add_trick("Fido", "sit")

    def refuse(leader):
        if not asked.is_set():
            asked.set()
            raise OperationalError("gone")
        return tell(leader)

    monkeypatch.setattr(runner.get(Counters).recorder, "max_tracking_id", refuse)
    with Running(runner, first_backoff=0.02) as daemon:
        assert asked.wait(PATIENCE)
        assert processed(runner) == (1, 1)
    assert "Follower Counters has failed 1 time(s) in a row" in caplog.text
    assert daemon.health.followers["Counters"].positions == {"TrainingSchool": 2}


@on_database("file")
@pytest.mark.parametrize("alias", ["file"])
def test_a_health_file_that_can_no_longer_be_written_stops_nobody(runner, school, tmp_path, caplog):
    """A full disk, or a folder that is gone, is logged once; the file comes back with the folder."""
    folder = tmp_path / "run"
    folder.mkdir()
    path = folder / "health.json"
    with Running(runner, health_file=path):
        wait_until(path.exists)
        folder.rename(tmp_path / "gone")
        school.add_trick("Fido", "sit")
        assert processed(runner) == (1, 1)
        wait_until(lambda: "cannot be written" in caplog.text)
        folder.mkdir()
        wait_until(path.exists)
    assert caplog.text.count("cannot be written") == 1
    assert read_health(path).followers["Counters"].processed == 2


@on_database("postgres")
@pytest.mark.parametrize("alias", ["postgres"])
def test_a_session_of_a_server_that_became_a_replica_is_given_up(runner, school, monkeypatch):
    """What the follower cannot write there it writes with the session after it, which leads to the new primary."""
    replicas = []

    def process(*_):
        if not replicas:
            replicas.append(connections["postgres"].connection)
            with connections["postgres"].cursor() as cursor:
                cursor.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")

    monkeypatch.setattr(Counters, "process", process)
    school.add_trick("Fido", "sit")
    school.add_trick("Fido", "roll over")
    with Running(runner, first_backoff=0.02) as daemon:
        assert processed(runner) == (2, 2)
        wait_until(lambda: daemon.health.failing() == [])
    assert replicas[0].closed
