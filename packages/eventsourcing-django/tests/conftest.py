"""Databases: SQLite in memory (`default`) and in a file (`file`), PostgreSQL (`postgres`) and MariaDB (`mariadb`)."""

import threading
from pathlib import Path

import pytest
from databases import ALIASES, SERVICES, on_database
from django.db.backends.signals import connection_created
from waiting import PATIENCE

from eventsourcing_django.library import IS_10

_HERE = Path(__file__).parent
# Aggregates are written otherwise for eventsourcing 10, and most tests have some of eventsourcing 9.
_FOR_10 = {"test_eventsourcing_10.py"}
_FOR_BOTH = {"test_checks.py", "test_runners.py", "test_sqlite_journal.py", "test_tables.py"}
collect_ignore = [
    path.name for path in _HERE.glob("test_*.py") if path.name not in _FOR_BOTH and (path.name in _FOR_10) != IS_10
]


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
        thread.join(PATIENCE)
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
