"""Write-ahead logging of SQLite files."""

import sqlite3

import pytest
from django.db import connections

from eventsourcing_django import recorders, sqlite_journal
from eventsourcing_django.models import StoredEventRecord
from eventsourcing_django.recorders import DjangoApplicationRecorder


@pytest.fixture
def other(tmp_path):
    """Another SQLite database of the project, made by another program."""
    path = tmp_path / "other.sqlite3"
    with sqlite3.connect(path) as made:
        made.execute("CREATE TABLE stored_events (id INTEGER PRIMARY KEY, application_name TEXT)")
    made.close()
    template = dict(connections.settings["file"], NAME=str(path), TEST={}, OPTIONS={})
    connections.settings["other"] = template
    recorders.journal_modes.clear()
    yield path
    sqlite_journal._aliases.discard("other")
    connections["other"].close()
    del connections["other"]
    del connections.settings["other"]


def journal_mode(alias):
    with connections[alias].cursor() as cursor:
        return cursor.execute("PRAGMA journal_mode").fetchone()[0]


@pytest.mark.django_db(transaction=True, databases=["default", "file"])
def test_the_file_of_a_recorder_is_write_ahead_logged(django_db_blocker, other):
    """Readers and the writer do not wait for each other."""
    with django_db_blocker.unblock():
        DjangoApplicationRecorder("app", StoredEventRecord, "other").max_notification_id()
        assert journal_mode("other") == "wal"
    assert recorders.journal_modes == {str(other): "wal"}


@pytest.mark.django_db(transaction=True, databases=["default", "file"])
def test_other_files_are_left_alone(django_db_blocker, other):
    """A database that no recorder uses keeps its journal."""
    with django_db_blocker.unblock():
        DjangoApplicationRecorder("app", StoredEventRecord, "file").max_notification_id()
        assert journal_mode("other") == "delete"


@pytest.mark.django_db(transaction=True, databases=["default", "file"])
def test_a_project_can_decide_otherwise(django_db_blocker, other, settings):
    """By a setting, or by the database's own first command."""
    with django_db_blocker.unblock():
        settings.EVENTSOURCING_SQLITE_WAL = False
        DjangoApplicationRecorder("app", StoredEventRecord, "other").max_notification_id()
        assert journal_mode("other") == "delete"
        settings.EVENTSOURCING_SQLITE_WAL = True
        connections.settings["other"]["OPTIONS"] = {"init_command": "PRAGMA journal_mode=TRUNCATE;"}
        connections["other"].close()
        del connections["other"]
        DjangoApplicationRecorder("app", StoredEventRecord, "other").max_notification_id()
        assert journal_mode("other") == "truncate"


@pytest.mark.django_db(transaction=True, databases=["default", "file"])
def test_events_of_a_read_only_file_can_be_read(django_db_blocker, other):
    """It keeps the journal that it has."""
    connections.settings["other"] |= {"NAME": f"file:{other}?mode=ro", "OPTIONS": {"uri": True}}
    with django_db_blocker.unblock():
        assert DjangoApplicationRecorder("app", StoredEventRecord, "other").max_notification_id() is None
        assert journal_mode("other") == "delete"
