"""Which locks an operation will take, told before it runs: from the SQL that it would execute."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from .catalog import TableLock, resolve
from .opaque import is_opaque
from .statements import StatementLock, locks_of

__all__ = ("Prediction", "predict_locks")


class Prediction(NamedTuple):
    """The strongest lock on each existing table; `None` where the operation cannot be known before it runs, and why."""

    locks: list[TableLock] | None
    reason: str = ""


def predict_locks(
    connection: BaseDatabaseWrapper,
    app_label: str,
    operation: Operation,
    before: ProjectState,
    after: ProjectState,
    backward: bool = False,
) -> Prediction:
    """Return what an operation between two states will lock, applied or (`backward`) reverted."""
    if connection.vendor != "postgresql":
        return Prediction(None, f"locks are not predicted on {connection.display_name}")
    if is_opaque(operation) or not operation.reduces_to_sql:
        return Prediction(None, "it runs Python code")
    method: Callable[..., None] = operation.database_backwards if backward else operation.database_forwards
    states = (after, before) if backward else (before, after)
    try:
        return Prediction(
            resolve(connection, _collected(connection, lambda editor: method(app_label, editor, *states)))
        )
    except Exception as error:  # noqa: BLE001 - an operation may look for what an earlier one has yet to make
        return Prediction(None, f"its SQL cannot be known yet ({type(error).__name__}: {error})")


def _collected(connection: BaseDatabaseWrapper, work: Callable[[Any], None]) -> list[StatementLock]:
    with connection.schema_editor(collect_sql=True, atomic=False) as editor:
        work(editor)
    statements = [text for text in editor.collected_sql if not text.startswith("--")]
    return [lock for statement in statements for lock in locks_of(statement)]
