"""`sync_followers` in a process of its own: exit codes, and what is left when it is killed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

_FILL = """
import django
django.setup()
from school.applications import TrainingSchool
school = TrainingSchool(env={"PERSISTENCE_MODULE": "eventsourcing_django"})
school.register("Fido")
for number in range(13):
    school.add_trick("Fido", f"trick {number}")
school.add_trick("Fido", "wait for the end")
for number in range(6):
    school.add_trick("Fido", f"late trick {number}")
"""

_COUNT = """
import django
django.setup()
from school.applications import Counters
print(Counters(env={"PERSISTENCE_MODULE": "eventsourcing_django"}).count)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def environment(request, tmp_path):
    """The environment of processes that share a migrated database with 20 tricks."""
    url = f"sqlite://{tmp_path}/school.sqlite3"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_database")
    environment = os.environ | {
        "SCHOOL_DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "settings",
        "PYTHONPATH": str(TESTS),
    }
    assert manage(environment, "migrate", "-v0").returncode == 0
    python(environment, _FILL)
    return environment


def python(environment, code):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def manage(environment, *arguments):
    command = [sys.executable, str(TESTS / "manage.py"), *arguments]
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True)


def test_a_killed_run_keeps_what_it_has_processed(environment, process_guard, tmp_path):
    """Killed with SIGKILL at the 14th of 20 tricks, it has processed 13, and the next run does the other 7."""
    reached = tmp_path / "reached"
    os.mkfifo(reached)
    process = process_guard.spawn(
        [sys.executable, TESTS / "manage.py", "sync_followers", "Counters"],
        env=environment | {"SCHOOL_WAITING": str(reached)},
    )
    with reached.open():  # opens when the other side does: at the 14th trick
        pass
    os.kill(process.pid, 9)
    process.wait(30)
    assert python(environment, _COUNT).strip() == "13"
    again = manage(environment, "sync_followers", "Counters", "-v2")
    assert "7 from TrainingSchool" in again.stdout
    assert again.returncode == 0
    assert python(environment, _COUNT).strip() == "20"


def test_a_failed_run_exits_with_1(environment):
    """A scheduler sees that it failed."""
    python(environment, "import django; django.setup()\nfrom django.db import connection\n"
           "connection.cursor().execute('DROP TABLE notification_tracking')")  # fmt: skip
    failed = manage(environment, "sync_followers")
    assert failed.returncode == 1
    assert "Counters" in failed.stderr
    assert failed.stdout.count("FAILED") == 2


def test_the_documented_app_config_is_enough(environment):
    """A runner that an AppConfig makes, and that nobody has started, is found and started."""
    done = manage(environment, "sync_followers")
    assert done.returncode == 0, done.stderr
    assert "[2/2] Synchronizing Celebrations... OK" in done.stdout
