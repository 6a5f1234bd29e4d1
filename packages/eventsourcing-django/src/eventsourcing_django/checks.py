"""System checks: settings that work until two things happen at once."""

from collections.abc import Sequence
from typing import Any

from django.apps.config import AppConfig
from django.core.checks import CheckMessage
from django.core.checks import Warning as CheckWarning
from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper

from eventsourcing_django.models import SnapshotRecord, StoredEventRecord

__all__ = ["check_recorder_databases"]

_SUPPORTED_VENDORS = frozenset({"postgresql", "sqlite", "mysql"})


def check_recorder_databases(
    app_configs: Sequence[AppConfig] | None = None,  # noqa: ARG001  # given by Django, which checks all apps at once
    databases: Sequence[str] | None = None,
    **_: Any,
) -> list[CheckMessage]:
    """Look at the databases given to the check command (`manage.py check --database default`)."""
    messages: list[CheckMessage] = []
    for alias in databases or ():
        connection = connections[alias]
        if not router.allow_migrate(alias, "eventsourcing_django"):
            continue
        if connection.vendor == "sqlite":
            messages += _check_sqlite(alias, connection.settings_dict)
        elif connection.vendor == "postgresql":
            messages += _check_postgresql(alias, connection.settings_dict)
        elif connection.vendor == "mysql":
            messages += _check_mysql(alias, connection)
        elif connection.vendor not in _SUPPORTED_VENDORS:
            messages.append(
                CheckWarning(
                    f"Database {alias!r} is a {connection.vendor} database, and nobody has tested that.",
                    hint="Keep events in PostgreSQL, SQLite, MariaDB or MySQL (setting DJANGO_DB_ALIAS).",
                    id="eventsourcing_django.W002",
                )
            )
    return messages


def _check_postgresql(alias: str, settings: dict[str, Any]) -> list[CheckMessage]:
    # Django asks for this setting where a pooler gives each transaction another session; nothing else tells of one.
    if not settings.get("DISABLE_SERVER_SIDE_CURSORS"):
        return []
    return [
        CheckWarning(
            f"PostgreSQL database {alias!r} seems to be reached through a pooler in transaction mode, where nobody can"
            " listen for events or hold the lock of a follower.",
            hint="Run run_followers, projections and subscriptions with settings that connect to PostgreSQL directly;"
            " applications that only read and save may go through the pooler.",
            id="eventsourcing_django.W004",
        )
    ]


def _check_mysql(alias: str, connection: BaseDatabaseWrapper) -> list[CheckMessage]:
    # Since Django 5.0 UUIDs are written to MariaDB as such, and are not found in the columns that it made before.
    if not connection.features.has_native_uuid_field:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.columns WHERE table_schema = DATABASE() AND data_type = 'char'"
            " AND column_name = 'originator_id' AND table_name IN (%s, %s) ORDER BY 1",
            [StoredEventRecord._meta.db_table, SnapshotRecord._meta.db_table],  # Django's documented names
        )
        tables = [table for (table,) in cursor.fetchall()]
    return [
        CheckWarning(
            f"The column originator_id of {table} in database {alias!r} is text, as Django made it before 5.0: events"
            " in it are not found, and none can be saved.",
            hint=f"Stop all writers and run: ALTER TABLE {table} MODIFY originator_id uuid NOT NULL",
            id="eventsourcing_django.W005",
        )
        for table in tables
    ]


def _check_sqlite(alias: str, settings: dict[str, Any]) -> list[CheckMessage]:
    if str(settings.get("OPTIONS", {}).get("transaction_mode", "")).upper() in {"IMMEDIATE", "EXCLUSIVE"}:
        return []
    return [
        CheckWarning(
            f"SQLite database {alias!r} starts transactions as readers, and one that reads and then saves fails at"
            " once with 'database is locked' if another connection has written meanwhile.",
            hint=f"Set DATABASES[{alias!r}]['OPTIONS']['transaction_mode'] = 'IMMEDIATE'.",
            id="eventsourcing_django.W001",
        )
    ]
