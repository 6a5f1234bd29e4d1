"""Write-ahead logging for the SQLite files that recorders use.

Without it, readers and the writer of a SQLite file wait for each other. It is a property of the file, set once, and
it is set for the files of recorders only: other SQLite databases of the project are left alone.
"""

from typing import Any

import django.db
from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

__all__ = ["journal_modes", "prepare_journal", "use_write_ahead_log"]

journal_modes: dict[str, str] = {}
"""The journal mode of each SQLite file that was looked at, by the file's name."""

_aliases: set[str] = set()


def use_write_ahead_log(alias: str) -> None:
    """Have the SQLite file of a database use write-ahead logging from its next connection on.

    The setting ``EVENTSOURCING_SQLITE_WAL = False`` turns it off, and so does a ``journal_mode`` in the
    ``init_command`` of the database's ``OPTIONS``.
    """
    _aliases.add(alias)
    connection_created.connect(_on_connection_created, dispatch_uid="eventsourcing_django.sqlite_journal")


def _on_connection_created(connection: BaseDatabaseWrapper, **_: Any) -> None:
    if connection.alias in _aliases:
        prepare_journal(connection)


def prepare_journal(connection: BaseDatabaseWrapper) -> None:
    """Switch the connection's SQLite file to write-ahead logging, once per file and never inside a transaction."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor != "sqlite" or connection.in_atomic_block or name in journal_modes:
        return
    if connection.is_in_memory_db() or not _is_wanted(connection):  # type: ignore[attr-defined]
        return
    with connection.cursor() as cursor:
        journal_modes[name] = _switch(cursor)


def _is_wanted(connection: BaseDatabaseWrapper) -> bool:
    options = connection.settings_dict.get("OPTIONS", {})
    decided_by_project = "journal_mode" in str(options.get("init_command", "")).lower()
    return getattr(settings, "EVENTSOURCING_SQLITE_WAL", True) and not decided_by_project


def _switch(cursor: Any) -> str:
    try:
        cursor.execute("PRAGMA journal_mode=WAL")
    except django.db.OperationalError:
        # A read-only file keeps the mode it has, and events can still be read from it; if it is anything else
        # that is wrong, the statement that follows says so.
        cursor.execute("PRAGMA journal_mode")
    return str(cursor.fetchone()[0])
