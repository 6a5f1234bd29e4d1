"""`sync_followers` in a process of its own: exit codes, and what is left when it is killed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from databases import added_database, environment_of
from django.core.management import call_command
from django.db import connections
from psycopg import sql
from school.applications import Counters, TrainingSchool
from waiting import PATIENCE

TESTS = Path(__file__).parent


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled(request, tmp_path_factory, django_db_setup, django_db_blocker):
    """The URL of a migrated database with 20 tricks, which tests copy."""
    if request.param == "postgresql":
        service = request.getfixturevalue("postgres_service")
        url = service.create_database()
        request.addfinalizer(lambda: service.drop_database(url))
    else:
        url = f"sqlite://{tmp_path_factory.mktemp('filled')}/school.sqlite3"
    with django_db_blocker.unblock(), added_database("school", url):
        call_command("migrate", database="school", verbosity=0)
        school = TrainingSchool(env={"PERSISTENCE_MODULE": "eventsourcing_django", "DJANGO_DB_ALIAS": "school"})
        school.register("Fido")
        for number in range(20):
            school.add_trick("Fido", "wait for the end" if number == 13 else f"trick {number}")
    return url


@pytest.fixture
def school(filled, tmp_path, request, django_db_blocker):
    """A copy as the database `school`, and the environment of processes that share it."""
    if filled.startswith("sqlite:"):
        url = f"sqlite://{tmp_path}/school.sqlite3"
        shutil.copy(urlsplit(filled).path, urlsplit(url).path)
    else:
        service = request.getfixturevalue("postgres_service")
        url = filled + "_copy"
        name, template = urlsplit(url).path[1:], urlsplit(filled).path[1:]
        with psycopg.connect(service.url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*map(sql.Identifier, (name, template))))
        request.addfinalizer(lambda: service.drop_database(url))
    with django_db_blocker.unblock(), added_database("school", url):
        yield environment_of(url)


def counted():
    """How many tricks the follower has counted."""
    return Counters(env={"PERSISTENCE_MODULE": "eventsourcing_django", "DJANGO_DB_ALIAS": "school"}).count


def manage(environment, *arguments):
    command = [sys.executable, str(TESTS / "manage.py"), *arguments]
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True)


def test_a_killed_run_keeps_what_it_has_processed(school, process_guard, tmp_path):
    """Killed with SIGKILL at the 14th of 20 tricks, it has processed 13, and the next run does the other 7."""
    reached = tmp_path / "reached"
    os.mkfifo(reached)
    process = process_guard.spawn(
        [sys.executable, TESTS / "manage.py", "sync_followers", "Counters"],
        env=school | {"SCHOOL_WAITING": str(reached)},
    )
    with reached.open():  # opens when the other side does: at the 14th trick
        pass
    os.kill(process.pid, 9)
    process.wait(PATIENCE)
    assert counted() == 13
    again = manage(school, "sync_followers", "Counters", "-v2")
    assert "7 from TrainingSchool" in again.stdout
    assert again.returncode == 0
    assert counted() == 20


def test_a_failed_run_exits_with_1(school):
    """A scheduler sees that it failed."""
    with connections["school"].cursor() as cursor:
        cursor.execute("DROP TABLE notification_tracking")
    failed = manage(school, "sync_followers")
    assert failed.returncode == 1
    assert "Counters" in failed.stderr
    assert failed.stdout.count("FAILED") == 2


def test_the_documented_app_config_is_enough(school):
    """A runner that an AppConfig makes, and that nobody has started, is found and started."""
    done = manage(school, "sync_followers")
    assert done.returncode == 0, done.stderr
    assert "[2/2] Synchronizing Celebrations... OK" in done.stdout
