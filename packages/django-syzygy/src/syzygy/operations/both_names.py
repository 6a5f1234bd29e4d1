"""Changing a field again while it still has a second name for old code.

These operations are never written: they are what others become that run while the renaming is not finished.
"""

from collections.abc import Iterator
from typing import Any, Self

from django.db import models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import operations
from django.db.migrations.state import ProjectState

from syzygy.postgresql.catalog import Catalog, bare

from .online import working
from .renames import field_called, twin_of

__all__ = ("AlterBothNames", "RemoveConstraintTwice")


class AlterBothNames(operations.AlterField):
    """Alter a field, and the column that it has under its old name."""

    old_name: str

    @classmethod
    def of(cls, operation: operations.AlterField, old_name: str) -> Self:
        """Return what an alteration becomes."""
        made = cls(operation.model_name, operation.name, operation.field, operation.preserve_default)
        made.old_name = old_name
        return made

    def database_forwards(  # noqa: D102
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        with working(schema_editor) as editor:
            if self._has_both(app_label, editor, from_state):
                before, after = (self._under_old_name(app_label, state) for state in (from_state, to_state))
                editor.alter_field(before.model, before, after)
                from_state, to_state = self._without_default(app_label, from_state, to_state)
            super().database_forwards(app_label, editor, from_state, to_state)

    def _has_both(self, app_label: str, editor: Any, state: ProjectState) -> bool:
        field = self._under_old_name(app_label, state)
        if editor.connection.vendor != "postgresql" or field.many_to_many:
            return False
        columns = Catalog(editor.connection).columns(editor.quote_name(field.model._meta.db_table))
        return bare(field.column) in columns

    def _under_old_name(self, app_label: str, state: ProjectState) -> Any:
        return field_called(app_label, state, self.model_name_lower, self.name, self.old_name)

    def _without_default(self, app_label: str, *states: ProjectState) -> Iterator[ProjectState]:
        """The database's default belongs to the old column until there is only one: see `Twin`."""
        for state in states:
            copied = state.clone()
            field = copied.models[app_label, self.model_name_lower].get_field(self.name).clone()
            field.db_default = models.NOT_PROVIDED
            copied.alter_field(app_label, self.model_name_lower, self.name, field, preserve_default=True)
            yield copied


class RemoveConstraintTwice(operations.RemoveConstraint):
    """Remove a constraint from a field, and from the column that it has under its old name."""

    old_column_of: "tuple[str, str]"

    @classmethod
    def of(cls, operation: operations.RemoveConstraint, current_name: str, old_name: str) -> Self:
        """Return what a removal becomes while a field has two names."""
        made = cls(operation.model_name, operation.name)
        made.old_column_of = (current_name, old_name)
        return made

    def database_forwards(  # noqa: D102
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        super().database_forwards(app_label, schema_editor, from_state, to_state)
        if schema_editor.connection.vendor != "postgresql":
            return
        current_name, old_name = self.old_column_of
        old = field_called(app_label, from_state, self.model_name_lower, current_name, old_name)
        field = from_state.apps.get_model(app_label, self.model_name)._meta.get_field(current_name)
        if not field.many_to_many:
            twin_of(schema_editor, field.model, old.column, field).drop_other(self.name)
