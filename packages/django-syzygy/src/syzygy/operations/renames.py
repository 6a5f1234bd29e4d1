"""Renaming a column while code that knows either name reads and writes it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import operations
from django.db.migrations.operations.base import Operation
from django.db.migrations.operations.fields import FieldOperation
from django.db.migrations.state import ProjectState

from syzygy.constants import Stage
from syzygy.rewriting import rename_field

from .online import working, works_online

if TYPE_CHECKING:
    from syzygy.postgresql.twins import Twin
    from syzygy.postgresql.views import RenamedTable

__all__ = ("ContractRenameField", "ExpandRenameField", "field_called")


class ExpandRenameField(FieldOperation):
    """Before the deployment: add the column under its new name and keep it equal to the old one by a trigger.

    For migrations that follow, the field has its new name from here on. A many-to-many field's table is renamed and
    gets a view under the old name. Where that is not possible (see `works_online`) the column is renamed at once.

    It is none of Django's renamings: Django would make one operation of it and of the creation of the model, and leave
    the old name in the model's indexes and constraints, which come along here.
    """

    __module__ = "syzygy.operations"

    category = operations.RenameField.category
    stage = Stage.PRE_DEPLOY
    standalone = True

    def __init__(self, model_name: str, old_name: str, new_name: str) -> None:
        self.old_name, self.new_name = old_name, new_name
        super().__init__(model_name, old_name)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:  # noqa: D102
        kwargs = {"model_name": self.model_name, "old_name": self.old_name, "new_name": self.new_name}
        return type(self).__name__, [], kwargs

    def state_forwards(self, app_label: str, state: ProjectState) -> None:  # noqa: D102
        rename_field(state, app_label, self.model_name_lower, self.old_name, self.new_name)

    def database_forwards(  # noqa: D102
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        with working(schema_editor) as editor:
            if not works_online(schema_editor):
                self._at_once().database_forwards(app_label, editor, from_state, to_state)
                return
            model = to_state.apps.get_model(app_label, self.model_name)
            if self.allow_migrate_model(editor.connection.alias, model):
                old = from_state.apps.get_model(app_label, self.model_name)._meta.get_field(self.old_name)
                expand_field(editor, old, model._meta.get_field(self.new_name))

    def database_backwards(  # noqa: D102
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        with working(schema_editor) as editor:
            model = to_state.apps.get_model(app_label, self.model_name)
            if works_online(schema_editor) and self.allow_migrate_model(editor.connection.alias, model):
                new = from_state.apps.get_model(app_label, self.model_name)._meta.get_field(self.new_name)
                if undo_expand_field(editor, model._meta.get_field(self.old_name), new):
                    return
            self._at_once().database_backwards(app_label, editor, from_state, to_state)

    def _at_once(self) -> operations.RenameField:
        return operations.RenameField(self.model_name, self.old_name, self.new_name)

    def references_field(self, model_name: str, name: str, app_label: str) -> bool:
        """Whether it is the field, under either name."""
        return self._at_once().references_field(model_name, name, app_label)

    def reduce(self, operation: Operation, app_label: str) -> bool | list[Operation]:
        """Nothing is moved across it."""
        return operation.elidable and [self]

    def describe(self) -> str:  # noqa: D102
        return f"Add {self.new_name} to {self.model_name}, kept in step with {self.old_name}"

    @property
    def migration_name_fragment(self) -> str:
        """The operation's part in the name of a generated file."""
        return self._at_once().migration_name_fragment


class ContractRenameField(FieldOperation):
    """After the deployment: drop the column that has the old name, and the trigger; or the view of a table."""

    __module__ = "syzygy.operations"

    stage = Stage.POST_DEPLOY
    standalone = True

    def __init__(self, model_name: str, old_name: str, new_name: str) -> None:
        self.old_name, self.new_name = old_name, new_name
        # Not what is written: the name that a later release has given to the field while this operation waited.
        self.current_name = new_name
        super().__init__(model_name, new_name)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:  # noqa: D102
        kwargs = {"model_name": self.model_name, "old_name": self.old_name, "new_name": self.new_name}
        return type(self).__name__, [], kwargs

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Nothing: the field has had its new name since the first half."""

    def database_forwards(  # noqa: D102
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        if not works_online(schema_editor):
            return
        old, new = (self._field(app_label, to_state, name) for name in (self.old_name, self.new_name))
        if self.allow_migrate_model(schema_editor.connection.alias, new.model):
            with working(schema_editor) as editor:
                contract_field(editor, old, new)

    def database_backwards(  # noqa: D102
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        if not works_online(schema_editor):
            return
        old, new = (self._field(app_label, to_state, name) for name in (self.old_name, self.new_name))
        if self.allow_migrate_model(schema_editor.connection.alias, new.model):
            with working(schema_editor) as editor:
                undo_contract_field(editor, old, new)

    def _field(self, app_label: str, state: ProjectState, name: str) -> Any:
        """The field under one of its names, in a model that has all the rest as it is now."""
        return field_called(app_label, state, self.model_name_lower, self.current_name, name)

    def describe(self) -> str:  # noqa: D102
        return f"Drop {self.old_name} of {self.model_name}, which is {self.new_name} now"

    @property
    def migration_name_fragment(self) -> str:
        """The operation's part in the name of a generated file."""
        return f"drop_{self.model_name_lower}_{self.old_name.lower()}"


def field_called(app_label: str, state: ProjectState, model_name: str, current_name: str, name: str) -> Any:
    """The field `current_name` of a state as it is, or would be, under another name."""
    if name != current_name:
        state = state.clone()
        rename_field(state, app_label, model_name, current_name, name)
    return state.apps.get_model(app_label, model_name)._meta.get_field(name)


# The four steps for a pair of fields, `old` and `new`, which are bound to their models before and after.


def expand_field(editor: Any, old: Any, new: Any) -> None:
    """Let both names be read and written."""
    if new.many_to_many:
        renamed_relation(editor, old, new).rename()
    else:
        twin_of(editor, new.model, old.column, new).expand()


def undo_expand_field(editor: Any, old: Any, new: Any) -> bool:
    """Leave the old name alone; False if there never were two."""
    if new.many_to_many:
        renamed_relation(editor, old, new).rename_back()
        return True
    twin = twin_of(editor, old.model, new.column, old)
    if twin.exists():
        twin.contract()
        return True
    return False


def contract_field(editor: Any, old: Any, new: Any) -> None:
    """Leave the new name alone."""
    if new.many_to_many:
        renamed_relation(editor, old, new).drop_view()
    else:
        twin_of(editor, new.model, old.column, new).contract()


def undo_contract_field(editor: Any, old: Any, new: Any) -> None:
    """Let both names be read and written again; the new one holds the values."""
    if new.many_to_many:
        renamed_relation(editor, old, new).restore_view()
    else:
        twin_of(editor, old.model, new.column, old).expand()


def renamed_relation(editor: Any, old: Any, new: Any) -> "RenamedTable":
    """The table of a many-to-many relation."""
    columns = {old.m2m_column_name(): new.m2m_column_name(), old.m2m_reverse_name(): new.m2m_reverse_name()}
    return renamed_table(editor, old.m2m_db_table(), new.m2m_db_table(), columns)


# What only PostgreSQL has is imported when it is used: makemigrations, and every start of `migrate`, do without.


def twin_of(editor: Any, model: Any, other: str, field: Any, renamed: Mapping[str, str] | None = None) -> "Twin":
    """The column of a field and the other one that is kept equal to it; see `Twin.of`."""
    from syzygy.postgresql.twins import Twin

    return Twin.of(editor, model, other, field, renamed)


def renamed_table(editor: Any, old: str, new: str, columns: Mapping[str, str] | None = None) -> "RenamedTable":
    """A table under two names; see `RenamedTable`."""
    from syzygy.postgresql.views import RenamedTable

    return RenamedTable(editor, old, new, columns)
