"""Values that differ from row to row."""

from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState
from django.db.models import Q

from syzygy.constants import Stage

from .backfill import Backfill
from .staged import LocalFieldOperation

__all__ = ("FillField", "SetDatabaseDefault")


class FillField(Backfill, LocalFieldOperation):
    """Give a field a value in every row in which it is NULL, in batches; see `Backfill`.

    `default` is an expression of the database, or a function that is called once for each row.
    """

    __module__ = "syzygy.operations"

    standalone = True

    def __init__(self, model_name: str, name: str, default: Any, stage: Stage) -> None:
        self.name, self.default = name, default
        value = default if hasattr(default, "resolve_expression") else lambda _row: default()
        super().__init__(model_name, {name: value}, where=Q(**{f"{name}__isnull": True}), stage=stage)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:  # noqa: D102
        kwargs = {"model_name": self.model_name, "name": self.name, "default": self.default, "stage": self.stage}
        return type(self).__name__, [], kwargs

    def describe(self) -> str:  # noqa: D102
        return f"Give each row of {self.model_name} a value for {self.name}"

    @property
    def migration_name_fragment(self) -> str:
        """The operation's part in the name of a generated file."""
        return f"fill_{self.model_name.lower()}_{self.name.lower()}"


class SetDatabaseDefault(LocalFieldOperation):
    """Before the deployment: let the database fill a column of rows that are inserted without it from now on.

    Django's optimizer would make one operation of an addition and an alteration, and PostgreSQL would write the whole
    table anew to give each row a value while nobody can use it.
    """

    __module__ = "syzygy.operations"

    stage = Stage.PRE_DEPLOY

    def __init__(self, model_name: str, name: str, default: Any) -> None:
        self.default = default
        super().__init__(model_name, name)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:  # noqa: D102
        return type(self).__name__, [], {"model_name": self.model_name, "name": self.name, "default": self.default}

    def state_forwards(self, app_label: str, state: ProjectState) -> None:  # noqa: D102
        field = state.models[app_label, self.model_name_lower].get_field(self.name).clone()
        field.db_default = self.default
        state.alter_field(app_label, self.model_name_lower, self.name, field, preserve_default=True)

    def database_forwards(  # noqa: D102
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            before = from_state.apps.get_model(app_label, self.model_name)
            schema_editor.alter_field(before, before._meta.get_field(self.name), model._meta.get_field(self.name))

    def database_backwards(  # noqa: D102
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        self.database_forwards(app_label, schema_editor, from_state, to_state)

    def describe(self) -> str:  # noqa: D102
        return f"Set database DEFAULT of field {self.name} on {self.model_name}"

    @property
    def migration_name_fragment(self) -> str:
        """The operation's part in the name of a generated file."""
        return f"set_db_default_{self.model_name_lower}_{self.name_lower}"
