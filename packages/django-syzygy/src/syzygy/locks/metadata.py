"""MySQL and MariaDB: how long a change of the schema waits for the transactions that use the table."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from math import ceil

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ("limited",)


@contextmanager
def limited(
    connection: BaseDatabaseWrapper, seconds: float, unwatched: Callable[[], AbstractContextManager[None]]
) -> Iterator[None]:
    """Let statements wait for at most `seconds`, rounded up to whole ones, which is what the server counts in."""
    with unwatched(), connection.cursor() as cursor:
        cursor.execute("SELECT @@SESSION.lock_wait_timeout")
        (before,) = cursor.fetchone()
        cursor.execute("SET SESSION lock_wait_timeout = %s", [ceil(seconds)])
    try:
        yield
    finally:
        # Suppressed, as the statement's own error tells more.
        with suppress(Error), unwatched(), connection.cursor() as cursor:
            cursor.execute("SET SESSION lock_wait_timeout = %s", [before])
