"""Beside and after eventsourcing-django 0.6 itself, from the package index: EVENTSOURCING_TEST_UPSTREAM=1 installs it."""

import json
import os
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest
from databases import added_database, environment_of, ordered_by_trigger
from django.core.management import call_command
from django.db import connections
from school.applications import Dog, TrainingSchool
from tailing import Tail
from waiting import PATIENCE, wait_until

TESTS = Path(__file__).parent
ENV = {"PERSISTENCE_MODULE": "eventsourcing_django", "DJANGO_DB_ALIAS": "shared"}
SECONDS = float(os.environ.get("EVENTSOURCING_TEST_UPSTREAM_SECONDS", "5"))
WRITERS_OF_EACH = 3

# Adds a trick, takes a snapshot, and prints the tricks and what the followers have counted.
_TRAIN = """
import json, sys, django
django.setup()
from django.core.management import call_command
from eventsourcing.system import SingleThreadedRunner
from school.applications import Celebrations, Counters, Dog, TrainingSchool, make_system
call_command("migrate", "eventsourcing_django", verbosity=0)
env = {"PERSISTENCE_MODULE": "eventsourcing_django", "IS_SNAPSHOTTING_ENABLED": "y"}
with SingleThreadedRunner(make_system(), env=env) as runner:
    school = runner.get(TrainingSchool)
    if Dog.create_id("Fido") not in school.repository:
        school.register("Fido")
    school.add_trick("Fido", sys.argv[1])
    school.take_snapshot(Dog.create_id("Fido"))
    print(json.dumps([school.get_tricks("Fido"), runner.get(Counters).count, runner.get(Celebrations).count]))
"""

pytestmark = pytest.mark.skipif(
    "EVENTSOURCING_TEST_UPSTREAM" not in os.environ,
    reason="EVENTSOURCING_TEST_UPSTREAM=1 installs eventsourcing-django",
)


@pytest.fixture(scope="module")
def upstream_python(tmp_path_factory):
    """The interpreter of an environment with eventsourcing-django and the newest versions that it allows."""
    folder = tmp_path_factory.mktemp("upstream")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    drivers = [f"psycopg[binary]=={version('psycopg')}", f"pymysql=={version('pymysql')}"]
    pip = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "eventsourcing-django==0.6", *drivers], check=True)
    return folder / "bin/python"


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def environment(request, new_database, django_db_blocker):
    """What processes of both packages are started with; the new database is `shared` in this one."""
    url = new_database(request.param)
    with django_db_blocker.unblock(), added_database("shared", url):
        yield environment_of(url) | {"PYTHONPATH": str(TESTS)}


@pytest.fixture
def ordered(environment):
    """The tables of this package, and what they need beside writers of the other one."""
    call_command("migrate", "eventsourcing_django", database="shared", verbosity=0)
    with ordered_by_trigger("shared"):
        yield


@pytest.mark.usefixtures("ordered")
def test_a_follower_misses_nothing(environment, upstream_python, process_guard, tmp_path):
    """Half of the writers still run eventsourcing-django, on the tables of this package."""
    files = [tmp_path / f"{kind}-{number}" for number in range(WRITERS_OF_EACH) for kind in ("ours", "upstream")]
    pythons = {"ours": sys.executable, "upstream": upstream_python}
    writers = [
        process_guard.spawn([pythons[file.stem.partition("-")[0]], TESTS / "dog_writer.py", file, "0"], env=environment)
        for file in files
    ]
    tail, school = Tail(ENV), TrainingSchool(env=ENV)
    tail.start()
    wait_until(lambda: all(Dog.create_id(f"{file.name} 0") in school.repository for file in files))
    time.sleep(SECONDS)
    for writer in writers:
        writer.terminate()
    assert [writer.wait(PATIENCE) for writer in writers] == [0] * len(writers)
    last = school.recorder.max_notification_id()
    wait_until(lambda: tail.seen[-1] >= last)
    tail.stop()

    saved = {file.name: len(json.loads(file.read_text())["dogs"]) for file in files}
    stored = [notification.id for notification in school.recorder.select_notifications(None, 1_000_000)]
    print(f"{saved}: {len(stored)} events, {len(set(stored) - set(tail.seen))} missed")  # noqa: T201  # shown with -rP
    assert tail.seen == stored
    assert len(stored) == sum(saved.values())


def test_a_project_moves_here_and_back(environment, upstream_python):
    """What one package has recorded, the other one goes on with: events, snapshots, and positions of followers."""

    def train(python, trick):
        command = [python, "-c", _TRAIN, trick]
        done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        return json.loads(done.stdout)

    assert train(upstream_python, "sit") == [["sit"], 1, 1]
    assert train(sys.executable, "roll over") == [["sit", "roll over"], 2, 2]
    assert train(upstream_python, "beg") == [["sit", "roll over", "beg"], 3, 3]
    assert train(sys.executable, "bow") == [["sit", "roll over", "beg", "bow"], 4, 4]
    with connections["shared"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM snapshots")
        assert cursor.fetchone() == (4,)
