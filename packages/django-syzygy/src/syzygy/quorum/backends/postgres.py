"""A quorum in the PostgreSQL database itself: no further service, and a killed process is noticed at once."""

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from syzygy.quorum.exceptions import QuorumError
from syzygy.quorum.rounds import Round
from syzygy.spelling import suggestion

from .rounds import RoundQuorum, Slot

__all__ = ("PostgresQuorum",)

# The first half of our advisory locks' keys ("syzy" in ASCII), so that they meet no one else's.
_LOCK_CLASS = 0x73797A79
_CREATION_LOCK = 0
_NAMESPACE_CLASS = 0x73797A7A

_TABLE_EXISTS = "SELECT to_regclass('syzygy_quorum') IS NOT NULL"
_CREATE_TABLE = "CREATE TABLE IF NOT EXISTS syzygy_quorum (namespace text PRIMARY KEY, round text NOT NULL)"
_LOAD = "SELECT round FROM syzygy_quorum WHERE namespace = %s"
_STORE = """
    INSERT INTO syzygy_quorum (namespace, round) VALUES (%s, %s)
    ON CONFLICT (namespace) DO UPDATE SET round = excluded.round
"""
_DELETE = "DELETE FROM syzygy_quorum WHERE namespace = %s"
_IS_LOCKED = """
    SELECT EXISTS (
        SELECT 1 FROM pg_locks
        WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND classid = %s AND objid = %s
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    )
"""


class PostgresQuorum(RoundQuorum):
    """Keeps the quorum in the table `syzygy_quorum`, which it makes, of the database `alias`.

    Each member is a session-level advisory lock on a connection of its own, so it ends with the process, however that
    ends. The connection must be a session: PgBouncer in transaction mode is not one.
    """

    def __init__(self, alias: str = DEFAULT_DB_ALIAS) -> None:
        super().__init__()
        if alias not in connections:
            hint = suggestion(alias, connections)
            raise ImproperlyConfigured(f"There is no database {alias!r} in DATABASES. {hint}".rstrip())
        if connections[alias].vendor != "postgresql":
            raise ImproperlyConfigured(f"The database {alias!r} is not PostgreSQL; use DatabaseQuorum, or a cache.")
        self.alias = alias
        self._session: BaseDatabaseWrapper | None = None
        self._living: set[str] = set()
        self._depth = 0

    # One session for all members of this process

    def _connection(self) -> BaseDatabaseWrapper:
        if self._session is None:
            self._session = connections.create_connection(self.alias)
            self._session.inc_thread_sharing()  # RoundQuorum lets one thread in at a time.
            self._session.connect()
            self._make_table()
        return self._session

    def _make_table(self) -> None:
        if self._scalar(_TABLE_EXISTS):
            return
        with self._transaction():
            # Two sessions that create a table at once are not kept apart by IF NOT EXISTS.
            self._run("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK_CLASS, _CREATION_LOCK])
            self._run(_CREATE_TABLE)

    def _run(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        with self._connection().cursor() as cursor:
            cursor.execute(sql, parameters)

    def _scalar(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        with self._connection().cursor() as cursor:
            cursor.execute(sql, parameters)
            row = cursor.fetchone()
        return row[0] if row else None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One transaction, also where the partner's namespace is opened inside this one's."""
        connection = self._connection()
        self._depth += 1
        try:
            if self._depth == 1:
                connection.set_autocommit(False)
                # What was committed while we waited for a lock has to be seen, whatever the project prefers.
                self._run("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
            yield
            if self._depth == 1:
                connection.commit()
        except BaseException:
            if self._depth == 1:
                with suppress(Error):  # The session may be what broke.
                    connection.rollback()
            raise
        finally:
            self._depth -= 1
            if self._depth == 0:
                with suppress(Error):
                    connection.set_autocommit(True)

    @contextmanager
    def _exclusive(self, namespace: str) -> Iterator[Slot]:
        with self._transaction():
            self._check_session()
            self._run("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_NAMESPACE_CLASS, namespace])
            stored = self._scalar(_LOAD, [namespace])
            slot = Slot(Round.from_dict(json.loads(stored)) if stored else None)
            yield slot
            if slot.round is None:
                self._run(_DELETE, [namespace])
            else:
                self._run(_STORE, [namespace, json.dumps(slot.round.as_dict())])

    # Signs of life

    def _appear(self) -> str:
        while True:
            token = secrets.randbelow(2**31 - 1) + 1
            if self._scalar("SELECT pg_try_advisory_lock(%s, %s)", [_LOCK_CLASS, token]):
                self._living.add(str(token))
                return str(token)

    def _disappear(self, token: str) -> None:
        self._living.discard(token)
        try:
            self._run("SELECT pg_advisory_unlock(%s, %s)", [_LOCK_CLASS, int(token)])
        except Error:
            self._close_session()  # The lock ends with the session.
        if not self._living:
            self._close_session()

    def _alive(self, token: str) -> bool:
        return bool(self._scalar(_IS_LOCKED, [_LOCK_CLASS, int(token)]))

    def _check_session(self) -> None:
        if not all(map(self._alive, self._living)):
            raise QuorumError(
                f"The database {self.alias!r} no longer holds this process's advisory lock. The quorum needs a "
                "connection that is a session of its own, not one pooled per transaction."
            )

    def _close_session(self) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            session.close()

    def close(self) -> None:
        """Leave everything and close the connection."""
        super().close()
        with self._lock:
            self._close_session()
