"""The databases that tests run on: SQLite in memory and in a file, PostgreSQL, and MariaDB where it can be had."""

from contextlib import contextmanager

import pytest
from django.db import connections
from settings import from_url

ALIASES = ["default", "file", "postgres", "mariadb"]
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
