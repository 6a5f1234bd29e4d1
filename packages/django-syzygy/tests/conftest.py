"""Projects on SQLite and on PostgreSQL."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connections
from hypothesis import HealthCheck, settings
from project import Project, postgres_settings
from servers import start_on_free_port
from stacking import CREATE
from warehouse import Warehouse

# How long an example takes is the machine's affair.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def command_server(process_guard, tmp_path_factory):
    """The address of a server that runs management commands."""
    address = tmp_path_factory.mktemp("commands") / "socket"
    argv = [sys.executable, "-P", Path(__file__).parent / "command_server.py", address]
    server = process_guard.spawn(argv, stdout=subprocess.PIPE)
    assert server.stdout.readline() == b"ready\n"
    yield str(address)
    server.terminate()
    server.wait(20)


@pytest.fixture(scope="session")
def memcached(process_guard, tmp_path_factory):
    """A memcached on a free port, from `PENTAD_TEST_MEMCACHED` or PATH."""
    program = os.environ.get("PENTAD_TEST_MEMCACHED") or shutil.which("memcached")
    if program is None:
        missing = (
            "memcached: not found on PATH; install it (Debian: apt install memcached) or set PENTAD_TEST_MEMCACHED"
        )
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)
    argv = [program, "-l", "127.0.0.1", "-U", "0", "-m", "16", "-u", "nobody", "-p"]
    log = tmp_path_factory.mktemp("memcached") / "log"
    process, port = start_on_free_port(lambda port: process_guard.spawn([*argv, str(port)], log=log), log)
    yield f"127.0.0.1:{port}"
    process.terminate()
    process.wait(20)


@pytest.fixture
def make_project(tmp_path, command_server):
    """Make a project in a folder of its own; its processes end with the test."""
    made = []

    def make(database=None, cache=None, **settings):
        made.append(Project(tmp_path, command_server, database, cache, **settings))
        return made[-1]

    yield make
    for project in made:
        project.close()


@pytest.fixture
def project(make_project):
    return make_project()


@pytest.fixture
def postgres_project(make_project, postgres_database):
    backend = "syzygy.quorum.backends.postgres.PostgresQuorum"
    return make_project(postgres_settings(postgres_database), MIGRATION_QUORUM_BACKEND=backend)


@pytest.fixture
def warehouse(postgres_database, django_db_blocker):
    """The app `warehouse` on a fresh PostgreSQL database."""
    with django_db_blocker.unblock():
        connection = connections["postgres"]
        connection.close()
        connection.settings_dict.update(postgres_settings(postgres_database))
        made = Warehouse(connection, postgres_database)
        yield made
        made.close()


@pytest.fixture(params=["sqlite", "postgres"])
def stacked(request, make_project):
    """A column goes, and in the same deployment another one comes on top of it."""
    database = postgres_settings(request.getfixturevalue("postgres_database")) if request.param == "postgres" else None
    project = make_project(database)
    project.migration("0001_initial", CREATE)
    project.run("migrate", "-v0")
    project.migration("0002_remove", 'migrations.RemoveField("Item", "a")', ["0001_initial"])
    project.migration("0003_add", 'migrations.AddField("Item", "b", models.IntegerField(null=True))', ["0002_remove"])
    project.migration("0004_gone", 'migrations.RemoveField("Item", "c")', ["0003_add"])
    return project
