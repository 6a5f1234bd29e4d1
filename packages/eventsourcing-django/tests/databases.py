"""The databases that tests run on: SQLite in memory and in a file, PostgreSQL, and MariaDB where it can be had."""

import os
import re
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from django.db import OperationalError, connections
from settings import from_url
from waiting import wait_until

_TESTS = Path(__file__).parent
_README = _TESTS.with_name("README.md")
ALIASES = ["default", "file", "postgres", "mariadb"]
SERVICES = {"postgres": "postgres_service", "mariadb": "mariadb_service"}
# Emptying the tables of these alone takes a third of the time that those of the whole project take.
WRITTEN_BY_TESTS = ["eventsourcing_django", "school"]


def on_database(alias):
    """Give the mark that empties a database for a test and starts its positions at 1."""
    return pytest.mark.django_db(
        transaction=True, reset_sequences=True, databases=[alias], available_apps=WRITTEN_BY_TESTS
    )


def for_each_database(base, aliases=ALIASES):
    """Make a test class, from one that reads `self.alias`, for each database; return them by name."""
    classes = {}
    for alias in aliases:
        name = f"Test{base.__name__.removeprefix('_')}_{alias}"
        made = type(name, (base,), {"alias": alias, "__test__": True, "__module__": base.__module__})
        classes[name] = on_database(alias)(made)
    return classes


@contextmanager
def added_database(alias, url):
    """Give Django the database of a URL for the time of a block."""
    connections.settings[alias] = connections.configure_settings({"default": {}, alias: from_url(url)})[alias]
    try:
        yield alias
    finally:
        connections[alias].close()
        del connections[alias]
        del connections.settings[alias]


@contextmanager
def ordered_by_trigger(alias):
    """Have MariaDB take the lock for writers that take none, as the README says; other databases need nothing."""
    if connections[alias].vendor != "mysql":
        yield
        return
    create = re.search(r"```sql\n(CREATE TRIGGER (\w+) .*?);\n```", _README.read_text(), re.DOTALL)
    with connections[alias].cursor() as cursor:
        cursor.execute(create[1])
    try:
        yield
    finally:
        with connections[alias].cursor() as cursor:
            cursor.execute(f"DROP TRIGGER {create[2]}")


def environment_of(url):
    """Give the environment of a process of the tests' project whose database this is."""
    # Development mode is for the tests' own process: it slows an interpreter that starts, and nobody reads its warnings.
    return {name: value for name, value in os.environ.items() if name != "PYTHONDEVMODE"} | {
        "DJANGO_SETTINGS_MODULE": "settings",
        "PYTHONPATH": os.pathsep.join([str(_TESTS), os.environ.get("PYTHONPATH", "")]),
        "SCHOOL_DATABASE_URL": url,
    }


def kill_other_sessions(alias):
    """End all sessions of the database but this thread's."""
    with connections[alias].cursor() as cursor:
        if alias == "postgres":
            cursor.execute(
                "SELECT pg_terminate_backend(pid, 120000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            return
        doomed = _others_on_mariadb(cursor)
        for number in doomed:
            with suppress(OperationalError):  # it has just ended by itself
                cursor.execute("KILL %s", [number])
        # The server ends them when it gets to it, and their locks with them; others may have come since.
        wait_until(lambda: doomed.isdisjoint(_others_on_mariadb(cursor)))


def _others_on_mariadb(cursor):
    cursor.execute("SELECT id FROM information_schema.processlist WHERE db = database() AND id <> connection_id()")
    return {number for (number,) in cursor.fetchall()}
