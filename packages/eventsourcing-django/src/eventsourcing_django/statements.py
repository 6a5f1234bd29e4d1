"""Runs the package's own statements: few in number, and the same ones over and over.

Django's cursors write the values into the text of a statement, which PostgreSQL then plans anew every time, and
translate the text for SQLite. A cursor of the driver itself does without. It is used only while nobody watches: who
logs, counts, refuses or traces statements gets them from Django's cursors, as Django's own.
"""

import sqlite3
from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import attrgetter, methodcaller
from types import FunctionType
from typing import Any, TypeVar

from django.apps import apps
from django.conf import settings
from django.db.backends import utils
from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["all_rows", "execute", "first_row", "last_row_id", "row_count"]

_T = TypeVar("_T")

# Outcomes of a statement; those of the operator module cost less than functions.
all_rows: Callable[[Any], Any] = methodcaller("fetchall")
first_row: Callable[[Any], Any] = methodcaller("fetchone")
last_row_id: Callable[[Any], Any] = attrgetter("lastrowid")
row_count: Callable[[Any], Any] = attrgetter("rowcount")


def _defined_in(module: Any, function: Any) -> bool:
    return type(function) is FunctionType and function.__globals__ is vars(module)


# None where somebody was here before: tools for tracing put functions of their own into Django's class.
_DJANGOS_EXECUTE = utils.CursorWrapper.execute if _defined_in(utils, utils.CursorWrapper.execute) else None

# Where Django's settings keep those that were asked for, until they change: asking the settings themselves takes longer
# than all the other questions of `_is_watched`.
_known_settings: dict[str, Any] = object.__getattribute__(settings, "__dict__")


def execute(
    connection: BaseDatabaseWrapper, statement: str, parameters: Sequence[Any], outcome: Callable[[Any], _T]
) -> _T:
    """Run a statement and return its outcome.

    Args:
        connection: of the calling thread; it is opened if need be.
        statement: with ``%s`` in place of each parameter, and no other per cent sign.
        parameters: values that the driver knows.
        outcome: takes it from the cursor, such as `all_rows`.

    Raises:
        django.db.Error: the database's.
    """
    backend: Any = type(connection)
    prepared = None if _is_watched(connection) else _for_driver(backend, statement)
    if prepared:
        open_cursor, drivers_statement = prepared
        if connection.health_check_enabled:  # type: ignore[attr-defined]
            connection.close_if_health_check_failed()
        if connection.connection is None:
            connection.ensure_connection()
        if connection.needs_rollback:
            connection.validate_no_broken_transaction()
        try:
            raw = open_cursor(connection)
            if raw:
                try:
                    raw.execute(drivers_statement, parameters)
                    return outcome(raw)
                finally:
                    raw.close()  # the traceback of an error would keep it, and what it holds, until it is collected
        except Exception:
            with connection.wrap_database_errors:  # entered for errors only, for its price
                raise
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return outcome(cursor)


def _is_watched(connection: BaseDatabaseWrapper) -> bool:
    """Say whether statements are logged, counted, refused or changed by somebody, in the form that Django gives them.

    Tests and tools put functions of their own in place of the connection's, or into the class of Django's cursors.
    """
    replaced = connection.__dict__
    return bool(
        connection.execute_wrappers
        or connection.force_debug_cursor
        or (_known_settings.get("DEBUG", True) and settings.DEBUG)
        or ("cursor" in replaced and not _is_usual(connection, "cursor"))
        or ("make_cursor" in replaced and not _is_usual(connection, "make_cursor"))
        or utils.CursorWrapper.execute is not _DJANGOS_EXECUTE
        or not apps.ready  # Django warns of statements that come so early
    )


def _is_usual(connection: BaseDatabaseWrapper, method: str) -> bool:
    # Who replaces a method and is done may leave the usual one in the connection, as Django's test cases do.
    return getattr(getattr(connection, method), "__func__", None) is getattr(type(connection), method)


_OpenCursor = Callable[[BaseDatabaseWrapper], Any]


@lru_cache
def _for_driver(backend: Any, statement: str) -> tuple[_OpenCursor, str] | None:
    """Give what opens the driver's cursors, and the statement for them; None where the backend's own are needed."""
    driver = _driver_of(backend)
    return (driver[0], statement.replace("%s", driver[1])) if driver else None


def _driver_of(backend: Any) -> tuple[_OpenCursor, str] | None:
    if backend.vendor == "sqlite":
        from django.db.backends.sqlite3 import base as sqlite

        return (_open_sqlite, "?") if _has_usual_cursors(backend, sqlite.DatabaseWrapper) else None
    if backend.vendor == "postgresql":
        from django.db.backends.postgresql import base as postgresql
        from django.db.backends.postgresql.psycopg_any import is_psycopg3

        if _has_usual_cursors(backend, postgresql.DatabaseWrapper) and is_psycopg3:
            from eventsourcing_django.prepared_statements import open_cursor

            return open_cursor, "%b"
    return None


def _has_usual_cursors(backend: Any, usual: Any) -> bool:
    # A backend with a way of its own may, for example, choose the schema of a tenant whenever a cursor is opened.
    methods = ("cursor", "_cursor", "_prepare_cursor", "make_cursor", "create_cursor")
    return all(getattr(backend, method) is getattr(usual, method) for method in methods)


def _open_sqlite(connection: BaseDatabaseWrapper) -> sqlite3.Cursor | None:
    # Tools for tracing put a proxy around the driver's connection.
    session = connection.connection
    return sqlite3.Cursor(session) if type(session) is sqlite3.Connection else None
