"""The README's examples are executed, in the order in which a reader meets them.

Databases are made once, for the examples and for the tests, whichever of them come first.
"""

import secrets

import pytest
from databases import SERVICES
from django.conf import settings
from django.contrib.contenttypes.management import create_contenttypes
from django.db import connections
from django.db.models.signals import post_migrate
from settings import from_url
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

from eventsourcing_django.library import IS_10

pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), SkipParser()], patterns=["README.md"], fixtures=["readme_database"]
).pytest()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the examples out where they cannot run: they are written for eventsourcing 9."""
    items[:] = [item for item in items if not (IS_10 and item.path.name == "README.md")]


@pytest.fixture
def readme_database(transactional_db: None) -> None:
    """Give the examples a migrated database."""


@pytest.fixture(scope="session")
def django_db_modify_db_settings(request: pytest.FixtureRequest) -> None:
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
def django_db_setup(django_db_setup: None) -> None:  # noqa: ARG001  # makes the databases first
    """Spare every test the permissions that emptying a database makes anew, and that none of them looks at."""
    post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")
    post_migrate.disconnect(create_contenttypes)
