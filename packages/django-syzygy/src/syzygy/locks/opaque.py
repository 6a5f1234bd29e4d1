"""Noticing when a migration runs code of which nobody knows what it does outside the database."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db.migrations import Migration, RunPython, SeparateDatabaseAndState
from django.db.migrations.operations.base import Operation

__all__ = ("is_opaque", "noticing_code")

_KNOWN = ("django.", "syzygy.")


def is_opaque(operation: Operation) -> bool:
    """Tell whether an operation runs code that is neither Django's nor ours: a mail it sends is not rolled back."""
    return isinstance(operation, RunPython) or not type(operation).__module__.startswith(_KNOWN)


def _opaque_operations(operations: Sequence[Operation]) -> Iterator[Operation]:
    for operation in operations:
        if isinstance(operation, SeparateDatabaseAndState):
            yield from _opaque_operations(operation.database_operations)
        elif is_opaque(operation):
            yield operation


@contextmanager
def noticing_code(migration: Migration, notice: Callable[[], None]) -> Iterator[None]:
    """Call `notice` before each opaque operation; none of a migration that declares `repeatable = True` is one."""
    watched = [] if getattr(migration, "repeatable", False) else list(_opaque_operations(migration.operations))
    for operation in watched:
        for method in ("database_forwards", "database_backwards"):
            vars(operation)[method] = _after(notice, getattr(operation, method))
    try:
        yield
    finally:
        for operation in watched:
            for method in ("database_forwards", "database_backwards"):
                vars(operation).pop(method, None)


def _after(notice: Callable[[], None], method: Callable[..., None]) -> Callable[..., None]:
    def noticed(*args: Any, **kwargs: Any) -> None:
        notice()
        method(*args, **kwargs)

    return noticed
