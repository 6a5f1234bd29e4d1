"""Databases: SQLite in memory (`default`), SQLite in a file (`file`) and PostgreSQL (`postgres`)."""

import secrets

import pytest
from databases import ALIASES, on_database
from django.conf import settings
from django.contrib.contenttypes.management import create_contenttypes
from django.db import connections
from django.db.models.signals import post_migrate
from settings import from_url


@pytest.fixture(scope="session")
def django_db_modify_db_settings(request):
    """Add PostgreSQL, if it can be had."""
    try:
        service = request.getfixturevalue("postgres_service")
    except pytest.skip.Exception:
        return
    own = {"NAME": f"eventsourcing_django_{secrets.token_hex(4)}", "DEPENDENCIES": []}
    database = from_url(service.url) | {"TEST": own}
    settings.DATABASES["postgres"] = database
    connections.settings = connections.configure_settings(settings.DATABASES)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup):
    """Spare every test the permissions that emptying a database makes anew, and that none of them looks at."""
    post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")
    post_migrate.disconnect(create_contenttypes)


def pytest_collection_modifyitems(items):
    """Have tests on PostgreSQL ask for it first, so that they are skipped, or fail in CI, where there is none."""
    for item in items:
        mark = item.get_closest_marker("django_db")
        if mark and "postgres" in mark.kwargs.get("databases", ()):
            item.fixturenames.insert(0, "postgres_service")


@pytest.fixture(params=[pytest.param(alias, marks=on_database(alias)) for alias in ALIASES])
def alias(request):
    """Each database in turn, empty, with positions that start at 1."""
    return request.param
