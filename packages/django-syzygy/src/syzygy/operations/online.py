"""Django's operations, made on PostgreSQL without keeping anybody from reading or writing for long.

Each stands alone in a migration that is not atomic and can be run again after a failure at any point. On other
databases, and inside of a transaction, they are the operations that they are derived from.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from django.db import transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import operations
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import Field

from syzygy.constants import Stage

from .staged import AlterField

__all__ = (
    "AddConstraintOnline",
    "AddFieldOnline",
    "AddIndexOnline",
    "AlterFieldOnline",
    "AlterUniqueTogetherOnline",
    "OnlineOperation",
    "RemoveIndexOnline",
    "works_online",
)


def works_online(schema_editor: BaseDatabaseSchemaEditor) -> bool:
    """Whether steps can be committed one by one on a database that knows how to work online."""
    connection = schema_editor.connection
    return connection.vendor == "postgresql" and not connection.in_atomic_block


def working(schema_editor: BaseDatabaseSchemaEditor) -> AbstractContextManager[BaseDatabaseSchemaEditor]:
    """The editor to use: one that works online, or the given one, all or nothing where the database can do that."""
    if works_online(schema_editor):
        from syzygy.postgresql.online import online_editor

        return online_editor(schema_editor)
    connection = schema_editor.connection
    if connection.features.can_rollback_ddl and not schema_editor.collect_sql:
        return _in_transaction(schema_editor)
    return nullcontext(schema_editor)


@contextmanager
def _in_transaction(schema_editor: BaseDatabaseSchemaEditor) -> Iterator[BaseDatabaseSchemaEditor]:
    with transaction.atomic(schema_editor.connection.alias):
        yield schema_editor


class OnlineOperation(Operation):
    """Mixin: run the operation by an editor that works online, forwards and backwards."""

    standalone = True

    def database_forwards(  # noqa: D102
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        with working(schema_editor) as editor:
            super().database_forwards(app_label, editor, from_state, to_state)

    def database_backwards(  # noqa: D102
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        with working(schema_editor) as editor:
            super().database_backwards(app_label, editor, from_state, to_state)


# As in `staged`: the migration writer imports the classes from `syzygy.operations` and reads their signatures.


class AddIndexOnline(OnlineOperation, operations.AddIndex):
    """Create an index concurrently."""

    __module__ = "syzygy.operations"


class RemoveIndexOnline(OnlineOperation, operations.RemoveIndex):
    """Drop an index concurrently."""

    __module__ = "syzygy.operations"


class AddConstraintOnline(OnlineOperation, operations.AddConstraint):
    """Add a unique constraint from an index built concurrently, or a check that is validated afterwards."""

    __module__ = "syzygy.operations"


class AlterUniqueTogetherOnline(OnlineOperation, operations.AlterUniqueTogether):
    """Add sets of unique fields from indexes built concurrently."""

    __module__ = "syzygy.operations"


class AddFieldOnline(OnlineOperation, operations.AddField):
    """Add a column; what has to be checked or indexed about it follows in steps of their own."""

    __module__ = "syzygy.operations"


class AlterFieldOnline(OnlineOperation, AlterField):
    """Alter a column; rows are filled in portions, and what has to be checked or indexed follows in steps."""

    __module__ = "syzygy.operations"

    def __init__(
        self, model_name: str, name: str, field: "Field[Any, Any]", stage: Stage, preserve_default: bool = True
    ) -> None:
        super().__init__(model_name, name, field, stage=stage, preserve_default=preserve_default)
