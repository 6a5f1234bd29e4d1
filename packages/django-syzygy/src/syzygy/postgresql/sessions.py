"""Settings of PostgreSQL's sessions, which behind a pooler may be somebody else's the next moment."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ("end_with_client", "is_pooled", "session_lock_timeout")


def is_pooled(connection: BaseDatabaseWrapper) -> bool:
    """Whether a pooler stands between: it says another process id than that of the server's process at work."""
    connection.ensure_connection()
    driver: Any = connection.connection
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return bool(cursor.fetchone()[0] != driver.info.backend_pid)


def end_with_client(connection: BaseDatabaseWrapper) -> None:
    """Have PostgreSQL 14 and later end a long statement soon after the process that asked for it is gone."""
    if connection.vendor != "postgresql" or connection.in_atomic_block or is_pooled(connection):
        return
    with suppress(Error), connection.cursor() as cursor:  # servers on some systems cannot
        if connection.pg_version >= 140000:  # type: ignore[attr-defined]
            cursor.execute("SET client_connection_check_interval = '1s'")


@contextmanager
def session_lock_timeout(connection: BaseDatabaseWrapper, seconds: float) -> Iterator[None]:
    """Let statements outside of transactions wait for at most `seconds`, 0 for ever; behind a pooler change nothing."""
    if is_pooled(connection):
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = {round(seconds * 1000)}")
    try:
        yield
    finally:
        # Suppressed, as the statement's own error tells more.
        with suppress(Error), connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")
