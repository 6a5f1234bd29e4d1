"""Making the tables of apps without migrations, which may refer to tables that are in use."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from .locks import RetryPolicy
from .locks.guard import LockGuard

__all__ = ("sync_within_limits",)


def sync_within_limits(connection: BaseDatabaseWrapper, say: Callable[[str], None], sync: Callable[[], None]) -> None:
    """Call `sync`, which makes tables in one transaction, until no lock stands in its way."""
    guard = LockGuard(connection, RetryPolicy.from_settings(), say)

    def attempt() -> None:
        with guard.watching(), _ending_in_order(connection):
            sync()

    guard.repeat(attempt, "the tables of apps without migrations")


@contextmanager
def _ending_in_order(connection: Any) -> Iterator[None]:
    """Django's editor leaves its transaction open if a statement fails that it kept for the end."""

    class Editor(connection.SchemaEditorClass):  # type: ignore[misc]  # the database's own
        def __exit__(
            self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
        ) -> None:
            try:
                while kind is None and self.deferred_sql:
                    self.execute(self.deferred_sql.pop(0), None)
            except BaseException:
                super().__exit__(*sys.exc_info())
                raise
            super().__exit__(kind, value, traceback)

    connection.SchemaEditorClass = Editor
    try:
        yield
    finally:
        del connection.SchemaEditorClass
