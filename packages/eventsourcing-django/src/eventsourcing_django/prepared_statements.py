"""Statements that PostgreSQL plans once per session, with psycopg 3.

psycopg gives prepared statements names that are the same in every process. Behind a pooler that changes the server's
session between transactions, such as PgBouncer, the name may belong to another process's statement. So nothing is
prepared

- where ``OPTIONS`` has a ``prepare_threshold``, or the database has ``DISABLE_SERVER_SIDE_CURSORS``, which Django asks
  for behind such poolers: psycopg then does as the former says, and prepares nothing without it;
- where Django's own pool resets sessions that come back, which forgets what was prepared;
- where the server's process is not the one that the connection was told of: something is in between.
"""

from typing import Any, Self
from weakref import WeakKeyDictionary

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql import base
from psycopg import Connection, Cursor
from psycopg.errors import FeatureNotSupported, InvalidSqlStatementName
from psycopg.pq import Format, TransactionStatus

__all__ = ["open_cursor"]

# A session that ends with a request or two is not worth the round trip that each prepared statement begins with.
_STATEMENTS_BEFORE = 5
_USUAL_CURSORS: tuple[object, ...] = (base.Cursor, base.ServerBindingCursor)


class _Session:
    """What has been found out about a session of the server.

    Attributes:
        statements: how many it has run.
        prepares: None as long as that is open.
    """

    __slots__ = ("prepares", "statements")

    def __init__(self) -> None:
        self.statements = 0
        self.prepares: bool | None = None


_sessions: WeakKeyDictionary[Connection[Any], _Session] = WeakKeyDictionary()


def open_cursor(connection: BaseDatabaseWrapper) -> Cursor[Any] | None:
    """Make a cursor that sends values apart from the statement; None if somebody has a kind of their own."""
    session: Connection[Any] = connection.connection
    # Tools for tracing put a proxy around the driver's connection, or a class of theirs into it.
    if not issubclass(type(session), Connection) or session.cursor_factory not in _USUAL_CURSORS:
        return None
    cursor = (_PreparingCursor if _may_prepare(connection.settings_dict) else Cursor)(session)
    cursor.format = Format.BINARY
    return cursor


def _may_prepare(settings: dict[str, Any]) -> bool:
    options = settings.get("OPTIONS") or {}
    pool = options.get("pool")
    return not (
        "prepare_threshold" in options
        or settings.get("DISABLE_SERVER_SIDE_CURSORS")
        or (isinstance(pool, dict) and "reset" in pool)
    )


class _PreparingCursor(Cursor[Any]):
    """Prepares a statement before it runs it, unless the session has done so, or has only just begun."""

    def execute(self, *args: Any, **kwargs: Any) -> Self:
        session = _sessions.get(self.connection) or _sessions.setdefault(self.connection, _Session())
        if not self._prepares(session):
            return super().execute(*args, **kwargs)
        # For this statement only: psycopg would keep the text of every other one of the project to count it.
        self.connection.prepare_threshold = 0
        try:
            return super().execute(*args, **kwargs)
        except (InvalidSqlStatementName, FeatureNotSupported):
            # Somebody has deallocated it, or has changed the types of columns since.
            session.prepares = False
            if self.connection.info.transaction_status != TransactionStatus.IDLE:
                raise
        finally:
            self.connection.prepare_threshold = None
        return super().execute(*args, **kwargs)

    def _prepares(self, session: _Session) -> bool:
        if session.prepares is None:
            session.statements += 1
            if session.statements > _STATEMENTS_BEFORE:
                session.prepares = self._is_direct()
        return bool(session.prepares)

    def _is_direct(self) -> bool:
        told = self.connection.info.backend_pid
        return super().execute("SELECT pg_backend_pid()").fetchone() == (told,)
