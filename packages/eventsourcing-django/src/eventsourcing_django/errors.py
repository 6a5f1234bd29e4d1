"""Database errors as the eventsourcing library knows them."""

import django.db
from django.utils.connection import ConnectionDoesNotExist

from eventsourcing_django import library

__all__ = ["TablesNotFoundError", "UnknownDatabaseError", "sqlstate_of", "translated"]


class UnknownDatabaseError(ConnectionDoesNotExist, library.InterfaceError):
    """Raised when an application is to store its events in a database that ``DATABASES`` does not have."""


class TablesNotFoundError(library.OperationalError, library.ProgrammingError):
    """Raised when the tables, or columns of them, are missing: the database has not been migrated.

    It is an `OperationalError` on every database, and a `ProgrammingError` as well because some of them say so.
    """


# The most special class comes first: django.db.DatabaseError is the parent of most of the others.
_TRANSLATIONS: tuple[tuple[type[Exception], type[library.PersistenceError]], ...] = (
    (django.db.IntegrityError, library.IntegrityError),
    (django.db.DataError, library.DataError),
    (django.db.OperationalError, library.OperationalError),
    (django.db.ProgrammingError, library.ProgrammingError),
    (django.db.InternalError, library.InternalError),
    (django.db.NotSupportedError, library.NotSupportedError),
    (django.db.InterfaceError, library.InterfaceError),
    (django.db.DatabaseError, library.DatabaseError),
    (django.db.Error, library.PersistenceError),
)

_UNDEFINED_TABLE_OR_COLUMN = frozenset({"42P01", "42703"})  # PostgreSQL's SQLSTATE
_NO_SUCH_TABLE_OR_COLUMN = frozenset({1146, 1054})  # MySQL's error numbers


def translated(error: django.db.Error, alias: str) -> library.PersistenceError:
    """Give eventsourcing's exception for one of Django's: its subclass of the same name.

    Args:
        error: what was raised; it is to be the cause of what is given.
        alias: the database in use, named in the advice that an unmigrated one needs.
    """
    if _means_missing_tables(error):
        return TablesNotFoundError(
            f"{str(error).strip()} (database {alias!r} has not been migrated:"
            f" run 'manage.py migrate eventsourcing_django --database={alias}')"
        )
    return next(ours for theirs, ours in _TRANSLATIONS if isinstance(error, theirs))(str(error))


def sqlstate_of(error: django.db.Error) -> str | None:
    """Give the SQLSTATE that came with one of Django's errors, None if the driver tells none."""
    cause = error.__cause__
    return getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)


def _means_missing_tables(error: django.db.Error) -> bool:
    if isinstance(error, django.db.OperationalError | django.db.ProgrammingError):
        number = error.args[0] if error.args else None
        return (
            sqlstate_of(error) in _UNDEFINED_TABLE_OR_COLUMN
            or number in _NO_SUCH_TABLE_OR_COLUMN
            or str(error).startswith("no such table")  # SQLite has no number of its own for it
            or " has no column named " in str(error)
        )
    return False
