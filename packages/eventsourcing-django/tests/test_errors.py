"""What goes wrong, and what the user is told."""

import gc
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import django.db
import pytest
from databases import on_database
from django.db import connections
from django.db.utils import ConnectionDoesNotExist
from eventsourcing import persistence
from eventsourcing.application import Application
from eventsourcing.persistence import StoredEvent, Tracking

from eventsourcing_django.errors import translated
from eventsourcing_django.models import StoredEventRecord
from eventsourcing_django.recorders import DjangoApplicationRecorder, DjangoTrackingRecorder

_BEFORE_SETUP = """
from eventsourcing.application import Application
from eventsourcing.persistence import OperationalError
try:
    Application(env={"PERSISTENCE_MODULE": "eventsourcing_django"})
except OperationalError as error:
    print(error)
"""


def test_an_application_constructed_before_django_is_set_up_says_so():
    """The error is the documented OperationalError, and names what to do."""
    command = [sys.executable, "-c", _BEFORE_SETUP]
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert "django.setup()" in done.stdout
    assert "INSTALLED_APPS" in done.stdout


def test_an_unknown_database_is_an_error_at_construction():
    """It names the variable, and is Django's exception and eventsourcing's at once."""
    env = {"PERSISTENCE_MODULE": "eventsourcing_django", "DJANGO_DB_ALIAS": "postgers"}
    with pytest.raises(ConnectionDoesNotExist, match="DJANGO_DB_ALIAS") as caught:
        Application(env=env)
    assert isinstance(caught.value, persistence.InterfaceError)
    assert "postgers" in str(caught.value)


def test_a_name_too_long_for_the_tables_is_an_error_at_construction():
    """Not at the first save, and not on some databases only."""
    too_long = type("A" * 33, (Application,), {})
    with pytest.raises(persistence.DataError, match="33 characters and the tables hold 32"):
        too_long(env={"PERSISTENCE_MODULE": "eventsourcing_django"})
    type("A" * 32, (Application,), {})(env={"PERSISTENCE_MODULE": "eventsourcing_django"})


def test_an_id_that_is_no_uuid_is_a_data_error(alias):
    """When it is written and when it is read."""
    recorder = DjangoApplicationRecorder("app", StoredEventRecord, alias)
    with pytest.raises(persistence.DataError, match="'dog-1' is not a UUID"):
        recorder.insert_events([StoredEvent("dog-1", 1, "topic", b"")])
    with pytest.raises(persistence.DataError, match="'dog-1' is not a UUID"):
        recorder.select_events("dog-1")


def test_an_id_that_spells_a_uuid_is_taken(alias):
    """Applications whose IDs are text keep them, if the text is that of a UUID."""
    originator_id = uuid4()
    recorder = DjangoApplicationRecorder("app", StoredEventRecord, alias)
    recorder.insert_events([StoredEvent(str(originator_id), 1, "topic", b"")])
    assert recorder.select_events(str(originator_id)) == recorder.select_events(originator_id)


@pytest.mark.parametrize(
    "name",
    [
        "DataError",
        "DatabaseError",
        "IntegrityError",
        "InterfaceError",
        "InternalError",
        "NotSupportedError",
        "OperationalError",
        "ProgrammingError",
    ],
)
def test_errors_of_django_become_errors_of_eventsourcing(name):
    """The class of the same name, with what the original says."""
    original = getattr(django.db, name)("what happened")
    error = translated(original, "default")
    assert type(error) is getattr(persistence, name)
    assert str(error) == "what happened"


def test_djangos_error_of_errors_becomes_a_persistence_error():
    """The parent of Django's database errors has no namesake in eventsourcing."""
    assert type(translated(django.db.Error(), "default")) is persistence.PersistenceError


def test_djangos_error_is_the_cause(alias):
    """It has what the driver says about it."""
    recorder = DjangoApplicationRecorder("app", StoredEventRecord, alias)
    event = StoredEvent(uuid4(), 1, "topic", b"")
    recorder.insert_events([event])
    with pytest.raises(persistence.IntegrityError) as caught:
        recorder.insert_events([event])
    assert isinstance(caught.value.__cause__, django.db.IntegrityError)


_UNMIGRATED = """
import django
django.setup()
from eventsourcing.application import Application
from eventsourcing.persistence import OperationalError
application = Application(env={"PERSISTENCE_MODULE": "eventsourcing_django"})
try:
    application.recorder.max_notification_id()
except OperationalError as error:
    print(error)
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_missing_tables_are_an_operational_error_everywhere(kind, tmp_path, request):
    """It says which command to run; the application itself is constructed without complaint."""
    postgresql = kind == "postgresql"
    url = request.getfixturevalue("postgres_database") if postgresql else f"sqlite://{tmp_path}/empty.sqlite3"
    environment = os.environ | {
        "SCHOOL_DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "settings",
        "PYTHONPATH": str(Path(__file__).parent),
    }
    command = [sys.executable, "-c", _UNMIGRATED]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert "stored_events" in done.stdout
    assert "manage.py migrate eventsourcing_django --database=default" in done.stdout


@on_database("postgres")
def test_a_missing_column_says_that_a_migration_is_missing():
    """The added column has not been migrated yet: the first write says so."""
    recorder = DjangoTrackingRecorder("app", "postgres")
    with connections["postgres"].cursor() as cursor:
        cursor.execute("ALTER TABLE notification_tracking RENAME COLUMN is_current TO renamed")
        try:
            with pytest.raises(persistence.OperationalError, match="has not been migrated"):
                recorder.insert_tracking(Tracking("upstream", 1))
        finally:
            cursor.execute("ALTER TABLE notification_tracking RENAME COLUMN renamed TO is_current")


@on_database("file")
def test_a_refused_save_leaves_no_statement_open():
    """Its traceback lives until it is collected; many threads that are refused again and again would have thousands."""
    recorder = DjangoApplicationRecorder("app", StoredEventRecord, "file")
    first = StoredEvent(uuid4(), 1, "topic", b"state")
    recorder.insert_events([first])
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            with pytest.raises(persistence.IntegrityError):
                recorder.insert_events([first])
        cursors = [thing for thing in gc.get_objects() if type(thing) is sqlite3.Cursor]
    finally:
        gc.enable()
    for cursor in cursors:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            cursor.fetchone()
