"""System checks."""

import pytest
from django.db import connections

from eventsourcing_django.checks import check_recorder_databases


@pytest.fixture
def options():
    """The options of the SQLite file's database, restored afterwards."""
    settings = connections["file"].settings_dict
    before = settings["OPTIONS"]
    settings["OPTIONS"] = dict(before)
    yield settings["OPTIONS"]
    settings["OPTIONS"] = before


def test_sqlite_with_deferred_transactions_is_warned_about(options):
    """The hint is the setting to make."""
    (warning,) = check_recorder_databases(databases=["file"])
    assert warning.id == "eventsourcing_django.W001"
    assert "DATABASES['file']['OPTIONS']['transaction_mode'] = 'IMMEDIATE'" in warning.hint
    options["transaction_mode"] = "IMMEDIATE"
    assert check_recorder_databases(databases=["file"]) == []


def test_databases_that_are_not_checked_are_not_touched():
    """`manage.py check` without `--database` asks no database anything."""
    assert check_recorder_databases() == []


def test_databases_that_hold_no_events_are_not_warned_about(options, settings):
    """The project's routers say which ones the tables are in."""
    settings.DATABASE_ROUTERS = ["school.routers.EventsInDefault"]
    assert check_recorder_databases(databases=["file"]) == []


def test_a_pooler_in_transaction_mode_is_warned_about(monkeypatch):
    """Django's own setting for such a pooler tells of it; no connection is made for that."""
    database = {"ENGINE": "django.db.backends.postgresql", "NAME": "nowhere", "DISABLE_SERVER_SIDE_CURSORS": True}
    monkeypatch.setitem(
        connections.settings, "pooled", connections.configure_settings({"default": {}, "p": database})["p"]
    )
    (warning,) = check_recorder_databases(databases=["pooled"])
    assert warning.id == "eventsourcing_django.W004"
    assert "run_followers" in warning.hint
    connections.settings["pooled"]["DISABLE_SERVER_SIDE_CURSORS"] = False
    assert check_recorder_databases(databases=["pooled"]) == []
    del connections["pooled"]
