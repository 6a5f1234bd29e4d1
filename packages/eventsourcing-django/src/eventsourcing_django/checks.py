"""System checks: settings that work until two things happen at once."""

from collections.abc import Sequence
from typing import Any

from django.apps.config import AppConfig
from django.core.checks import CheckMessage
from django.core.checks import Warning as CheckWarning
from django.db import connections, router

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
