"""Databases: SQLite in memory (`default`) and in a file (`file`), PostgreSQL (`postgres`) and MariaDB (`mariadb`)."""

import secrets
import threading
from pathlib import Path

import pytest
from databases import ALIASES, on_database
from django.conf import settings
from django.contrib.contenttypes.management import create_contenttypes
from django.db import connections
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate
from settings import from_url

from eventsourcing_django.library import IS_10

_HERE = Path(__file__).parent
# Aggregates are written otherwise for eventsourcing 10, and most tests have some of eventsourcing 9.
_FOR_10 = {"test_eventsourcing_10.py"}
_FOR_BOTH = {"test_checks.py", "test_runners.py", "test_sqlite_journal.py", "test_tables.py"}
collect_ignore = [
    path.name for path in _HERE.glob("test_*.py") if path.name not in _FOR_BOTH and (path.name in _FOR_10) != IS_10
]

SERVICES = {"postgres": "postgres_service", "mariadb": "mariadb_service"}


@pytest.fixture(scope="session")
def django_db_modify_db_settings(request):
    """Add the databases whose servers can be had."""
    asked_for = {name for item in request.session.items for name in item.fixturenames}
    for alias, fixture in SERVICES.items():
        if fixture not in asked_for:
            continue
        try:
            service = request.getfixturevalue(fixture)
        except (pytest.skip.Exception, pytest.fail.Exception):
            continue  # the tests that ask for it say so
        own = {"NAME": f"eventsourcing_django_{secrets.token_hex(4)}", "DEPENDENCIES": []}
        settings.DATABASES[alias] = from_url(service.url) | {"TEST": own}
    connections.settings = connections.configure_settings(settings.DATABASES)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup):
    """Spare every test the permissions that emptying a database makes anew, and that none of them looks at."""
    post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")
    post_migrate.disconnect(create_contenttypes)


def pytest_collection_modifyitems(items):
    """Have tests on a server ask for it first, so that they are skipped, or fail in CI, where there is none."""
    for item in items:
        mark = item.get_closest_marker("django_db")
        for alias in mark.kwargs.get("databases", ()) if mark else ():
            if alias in SERVICES:
                item.fixturenames.insert(0, SERVICES[alias])


@pytest.fixture(autouse=True)
def _connections_of_threads_are_closed():
    """Threads that the library and its shipped tests start leave connections behind; a server has only so many."""
    opened = []

    def remember(connection, **_):
        if threading.current_thread() is not threading.main_thread():
            opened.append((threading.current_thread(), connection.connection))

    connection_created.connect(remember)
    yield
    connection_created.disconnect(remember)
    for thread, connection in opened:
        thread.join(10)
        if not thread.is_alive() and getattr(connection, "open", True):  # PyMySQL closes nothing twice
            connection.close()


@pytest.fixture
def new_database(request, tmp_path, django_db_setup):
    """A function that gives the URL of a new, empty database: 'sqlite', 'postgres' or 'mariadb'."""

    def make(kind):
        if kind == "sqlite":
            return f"sqlite://{tmp_path}/school.sqlite3"
        return request.getfixturevalue(f"{kind}_database")

    return make


@pytest.fixture(params=[pytest.param(alias, marks=on_database(alias)) for alias in ALIASES])
def alias(request):
    """Each database in turn, empty, with positions that start at 1."""
    return request.param
