"""What a statement leaves behind whose end nobody saw.

On PostgreSQL a CREATE INDEX CONCURRENTLY that failed leaves an index that costs every write and serves no query. On
MySQL and MariaDB every statement of DDL is done or not done, but a note about it cannot be part of it.
"""

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper

from syzygy.postgresql.sessions import session_lock_timeout

from .lexing import NAME, pattern, statements

__all__ = ("drop_invalid_index", "is_already_done", "says_it_is_done")

# MySQL's and MariaDB's errors for what is there already, or gone already: tables, columns, keys, constraints.
_DONE = frozenset({1022, 1050, 1051, 1054, 1060, 1061, 1091, 1146, 1826, 3821, 3822, 3940})
_CANNOT_CREATE, _DUPLICATE_KEY = 1005, "errno: 121"

_CREATED = rf"CREATE (?:UNIQUE )?INDEX CONCURRENTLY (?:IF NOT EXISTS )?({NAME}) ON (?:ONLY )?(?:({NAME})\.)?{NAME}"
_DROPPED = rf"DROP INDEX CONCURRENTLY (?:IF EXISTS )?((?:{NAME}\.)?{NAME})"
_IS_VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)"


def _created_index(sql: str) -> str | None:
    """The qualified name of the index that a statement creates concurrently: an index lives beside its table."""
    match = next(filter(None, map(pattern(_CREATED).match, statements(sql))), None)
    if match is None:
        return None
    return f"{match[2]}.{match[1]}" if match[2] else match[1]


def _validity(connection: BaseDatabaseWrapper, index: str) -> bool | None:
    """Whether an index is valid, None if there is none."""
    with connection.cursor() as cursor:
        cursor.execute(_IS_VALID, [index])
        row = cursor.fetchone()
    return bool(row[0]) if row else None


def drop_invalid_index(connection: BaseDatabaseWrapper, sql: str) -> None:
    """Before an index is created concurrently, remove what an attempt that failed or was killed left of it."""
    index = _created_index(sql)
    if index is not None and _validity(connection, index) is False:
        with session_lock_timeout(connection, 0), connection.cursor() as cursor:
            # The name is the statement's own text, quoted as its author quoted it.
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index}")


def is_already_done(connection: BaseDatabaseWrapper, sql: str) -> bool:
    """Tell whether a statement that was begun, and of which nobody saw the end, has done its work."""
    created = _created_index(sql)
    if created is not None:
        return _validity(connection, created) is True
    dropped = next(filter(None, map(pattern(_DROPPED).match, statements(sql))), None)
    return dropped is not None and _validity(connection, dropped[1]) is None


def says_it_is_done(error: Error) -> bool:
    """Tell whether the repetition of a statement was refused because its work is done."""
    number, *text = error.args or (None,)
    return number in _DONE or (number == _CANNOT_CREATE and _DUPLICATE_KEY in str(text))
