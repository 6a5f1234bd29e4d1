"""Indexes that a failed CREATE INDEX CONCURRENTLY leaves behind: they cost every write and serve no query."""

from django.db.backends.base.base import BaseDatabaseWrapper

from .lexing import NAME, pattern, statements

__all__ = ("drop_invalid_index", "is_already_done")

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
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = 0")
            # The name is the statement's own text, quoted as its author quoted it.
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index}")
            cursor.execute("RESET lock_timeout")


def is_already_done(connection: BaseDatabaseWrapper, sql: str) -> bool:
    """Tell whether a statement that was begun, and of which nobody saw the end, has done its work."""
    created = _created_index(sql)
    if created is not None:
        return _validity(connection, created) is True
    dropped = next(filter(None, map(pattern(_DROPPED).match, statements(sql))), None)
    return dropped is not None and _validity(connection, dropped[1]) is None
