"""Runs the package's own statements: few in number, and the same ones over and over.

Django's cursors write the values into the text of a statement, which PostgreSQL then plans anew every time, and
translate the text for SQLite. A cursor of the driver itself does without. It still sits in Django's wrapper, which
maps errors and is what monitoring hooks into.
"""

import sqlite3
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["execute"]


def execute(connection: BaseDatabaseWrapper, statement: str, parameters: Sequence[Any]) -> Any:
    """Run a statement and return the cursor with its result.

    Args:
        connection: is opened if need be.
        statement: with ``%s`` in place of each parameter, and no other per cent sign.
        parameters: values that the driver knows.

    Raises:
        django.db.Error: the database's.
    """
    backend: Any = type(connection)
    driver = None if _is_watched(connection) else _driver_of(backend)
    if driver:
        placeholder, open_cursor = driver
        connection.close_if_health_check_failed()
        connection.ensure_connection()
        connection.validate_thread_sharing()
        with connection.wrap_database_errors:
            raw = open_cursor(connection)
        if raw:
            cursor = connection.make_cursor(raw)
            cursor.execute(statement.replace("%s", placeholder), parameters)
            return cursor
    cursor = connection.cursor()
    cursor.execute(statement, parameters)
    return cursor


def _is_watched(connection: BaseDatabaseWrapper) -> bool:
    """Say whether statements are logged, counted, refused or changed by somebody, in the form that Django gives them.

    Tests and debugging tools put a function of their own in place of the connection's `cursor`.
    """
    usual = getattr(connection.cursor, "__func__", None) is type(connection).cursor
    return bool(connection.execute_wrappers or connection.queries_logged or not usual)


_Driver = tuple[str, Callable[[BaseDatabaseWrapper], Any]]


@cache
def _driver_of(backend: Any) -> _Driver | None:
    """Give the placeholder of the driver and what opens its cursors; None where the backend's own are needed."""
    if backend.vendor == "sqlite":
        from django.db.backends.sqlite3 import base as sqlite

        usual = sqlite.DatabaseWrapper.create_cursor
        return ("?", _open_sqlite) if backend.create_cursor is usual else None
    if backend.vendor == "postgresql":
        from django.db.backends.postgresql import base as postgresql
        from django.db.backends.postgresql.psycopg_any import is_psycopg3

        usual = postgresql.DatabaseWrapper.create_cursor
        if backend.create_cursor is usual and is_psycopg3:
            from eventsourcing_django.prepared_statements import open_cursor

            return "%b", open_cursor
    return None


def _open_sqlite(connection: BaseDatabaseWrapper) -> sqlite3.Cursor:
    return sqlite3.Cursor(connection.connection)
