"""Schemas of one PostgreSQL database, each with tables of its own, as tenants of a project have them."""

from contextlib import ExitStack
from uuid import uuid4

import pytest
from databases import added_database
from django.core.management import call_command
from django.db import connections, transaction
from eventsourcing.persistence import OperationalError, StoredEvent

from eventsourcing_django.election import election_in
from eventsourcing_django.models import StoredEventRecord
from eventsourcing_django.recorders import DjangoApplicationRecorder

SEARCH_PATHS = {"one": "one", "two": "two", "detour": "nowhere,one"}


@pytest.fixture(scope="module")
def schemas(postgres_service, django_db_setup, django_db_blocker):
    """A database with the tables in two schemas, and aliases that find them by their search paths."""
    url = postgres_service.create_database()
    with ExitStack() as stack:
        stack.enter_context(django_db_blocker.unblock())
        stack.callback(postgres_service.drop_database, url)
        for alias, search_path in SEARCH_PATHS.items():
            stack.enter_context(added_database(alias, url))
            options = {"options": f"-c search_path={search_path}"}
            connections[alias].settings_dict["OPTIONS"] = connections.settings[alias]["OPTIONS"] = options
        for schema in ("one", "two"):
            with connections[schema].cursor() as cursor:
                cursor.execute(f"CREATE SCHEMA {schema}")
            call_command("migrate", "eventsourcing_django", database=schema, verbosity=0)
        yield SEARCH_PATHS


def save(alias, lock_timeout):
    recorder = DjangoApplicationRecorder("app", StoredEventRecord, alias, lock_timeout=lock_timeout)
    (position,) = recorder.insert_events([StoredEvent(uuid4(), 1, "topic", b"state")])
    return position


@pytest.mark.usefixtures("schemas")
def test_writers_of_different_schemas_do_not_wait_for_each_other():
    """Their applications have the same name, and nothing else in common."""
    with transaction.atomic(using="one"):
        assert save("one", None) == save("two", 30)


@pytest.mark.usefixtures("schemas")
def test_writers_of_one_table_wait_for_each_other_whichever_way_they_find_it():
    """Positions of an application become visible in their order, or a follower would miss events."""
    with transaction.atomic(using="one"):
        save("one", None)
        with pytest.raises(OperationalError, match="lock timeout"):
            save("detour", 0.1)


@pytest.mark.usefixtures("schemas")
def test_schemas_have_elections_of_their_own():
    """The daemon of a tenant does not stand by because another tenant's runs a follower of that name."""
    elections = {alias: election_in(alias) for alias in SEARCH_PATHS}
    try:
        for election in elections.values():
            election.renew(["Counters"])
        assert {alias: election.held for alias, election in elections.items()} == {
            "one": {"Counters"},
            "two": {"Counters"},
            "detour": set(),
        }
    finally:
        for election in elections.values():
            election.close()
