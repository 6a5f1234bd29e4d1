"""Foreign keys of tables that the new code does not know any more."""

from collections.abc import Iterator
from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState

from syzygy.constants import Stage

from .field_defaults import is_constrained_reference
from .staged import LocalFieldOperation

__all__ = ("DropForeignKeys",)


class DropForeignKeys(LocalFieldOperation):
    """Before the deployment: drop the constraints of a foreign key or of a many-to-many table that is about to go.

    The new code does not delete the rows that refer to a row, so that they would keep it from being deleted. Nothing
    happens on SQLite, where dropping a constraint means to write the table anew.
    """

    __module__ = "syzygy.operations"

    stage = Stage.PRE_DEPLOY

    def __init__(self, model_name: str, name: str) -> None:
        super().__init__(model_name, name)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:  # noqa: D102
        return type(self).__name__, [], {"model_name": self.model_name, "name": self.name}

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Nothing: what the field is for does not change."""

    def database_forwards(  # noqa: D102
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        editor: Any = schema_editor
        for model, field in self._references(app_label, editor, to_state):
            for name in editor._constraint_names(model, [field.column], foreign_key=True):
                editor.execute(editor._delete_fk_sql(model, name))

    def database_backwards(  # noqa: D102
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        editor: Any = schema_editor
        for model, field in self._references(app_label, editor, to_state):
            # A column that went meanwhile and is back has got its constraint already.
            if not editor._constraint_names(model, [field.column], foreign_key=True):
                editor.execute(editor._create_fk_sql(model, field, "_fk_%(to_table)s_%(to_column)s"))

    def _references(self, app_label: str, editor: Any, state: ProjectState) -> Iterator[tuple[Any, Any]]:
        model = state.apps.get_model(app_label, self.model_name)
        if editor.connection.vendor == "sqlite" or not self.allow_migrate_model(editor.connection.alias, model):
            return
        field = model._meta.get_field(self.name)
        fields = field.remote_field.through._meta.local_fields if field.many_to_many else [field]
        for reference in fields:
            if is_constrained_reference(reference):
                yield reference.model, reference

    def describe(self) -> str:  # noqa: D102
        return f"Drop the foreign key constraints of field {self.name} on {self.model_name}"

    @property
    def migration_name_fragment(self) -> str:
        """The operation's part in the name of a generated file."""
        return f"release_{self.model_name_lower}_{self.name_lower}"
