"""Renaming a model's tables while code that knows either name reads and writes them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import operations
from django.db.migrations.operations.base import Operation
from django.db.migrations.operations.models import ModelOperation
from django.db.migrations.state import ProjectState

from syzygy.constants import Stage

from .online import working, works_online
from .renames import renamed_relation, renamed_table, twin_of

if TYPE_CHECKING:
    from syzygy.postgresql.views import RenamedTable

__all__ = ("ContractRenameModel", "ExpandRenameModel")

_Model = type[models.Model]


class ExpandRenameModel(operations.RenameModel):
    """Before the deployment: rename the tables and make views under their old names, which can be written to.

    For migrations that follow, the model has its new name from here on. A column of another model's many-to-many
    table, named after this model, gets a twin. Elsewhere than on PostgreSQL the tables are renamed, no more.
    """

    __module__ = "syzygy.operations"

    stage = Stage.PRE_DEPLOY
    standalone = True

    def database_forwards(  # noqa: D102
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        with working(schema_editor) as editor:
            if not works_online(schema_editor):
                super().database_forwards(app_label, editor, from_state, to_state)
                return
            new = to_state.apps.get_model(app_label, self.new_name)
            if self.allow_migrate_model(editor.connection.alias, new):
                old = from_state.apps.get_model(app_label, self.old_name)
                for table in _renamed_tables(editor, old, new):
                    table.rename()
                for source, field, model in _renamed_columns(old, new):
                    twin_of(editor, model, source.column, field).expand()

    def database_backwards(  # noqa: D102
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        with working(schema_editor) as editor:
            if not works_online(schema_editor):
                super().database_backwards(app_label, editor, from_state, to_state)
                return
            old = to_state.apps.get_model(app_label, self.old_name)
            if self.allow_migrate_model(editor.connection.alias, old):
                new = from_state.apps.get_model(app_label, self.new_name)
                for source, field, model in _renamed_columns(new, old):
                    twin_of(editor, model, source.column, field).contract()
                for table in _renamed_tables(editor, old, new):
                    table.rename_back()

    def reduce(self, operation: Operation, app_label: str) -> bool | list[Operation]:
        """Both halves together are a plain renaming."""
        if isinstance(operation, ContractRenameModel) and operation.completes(self):
            return [operations.RenameModel(self.old_name, self.new_name)]
        return operation.elidable and [self]

    def describe(self) -> str:  # noqa: D102
        return f"Rename model {self.old_name} to {self.new_name}, its table still known by the old name"


class ContractRenameModel(ModelOperation):
    """After the deployment: drop the views that have the old names."""

    __module__ = "syzygy.operations"

    stage = Stage.POST_DEPLOY
    standalone = True

    def __init__(self, old_name: str, new_name: str) -> None:
        self.old_name, self.new_name = old_name, new_name
        # Not what is written: the name that a later release has given to the model while this operation waited.
        self.current_name = new_name
        super().__init__(new_name)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:  # noqa: D102
        return type(self).__name__, [], {"old_name": self.old_name, "new_name": self.new_name}

    def completes(self, expansion: ExpandRenameModel) -> bool:
        """Whether the other operation is the first half of this one."""
        return (expansion.old_name, expansion.new_name) == (self.old_name, self.new_name)

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Nothing: the model has had its new name since the first half."""

    def database_forwards(  # noqa: D102
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        old, new = (self._model(app_label, to_state, name) for name in (self.old_name, self.new_name))
        if not works_online(schema_editor) or not self.allow_migrate_model(schema_editor.connection.alias, new):
            return
        with working(schema_editor) as editor:
            for table in _renamed_tables(editor, old, new):
                table.drop_view()
            for source, field, model in _renamed_columns(old, new):
                twin_of(editor, model, source.column, field).contract()

    def database_backwards(  # noqa: D102
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        old, new = (self._model(app_label, to_state, name) for name in (self.old_name, self.new_name))
        if not works_online(schema_editor) or not self.allow_migrate_model(schema_editor.connection.alias, new):
            return
        moved = {old._meta.db_table: new._meta.db_table}
        with working(schema_editor) as editor:
            for source, field, model in _renamed_columns(new, old):
                twin_of(editor, model, source.column, field, moved).expand()
            for table in _renamed_tables(editor, old, new):
                table.restore_view()

    def _model(self, app_label: str, state: ProjectState, name: str) -> _Model:
        """The model under one of its names."""
        if name != self.current_name:
            state = state.clone()
            state.rename_model(app_label, self.current_name, name)
        model: _Model = state.apps.get_model(app_label, name)
        return model

    def describe(self) -> str:  # noqa: D102
        return f"Drop the old name of {self.new_name}, {self.old_name}"

    @property
    def migration_name_fragment(self) -> str:
        """The operation's part in the name of a generated file."""
        return f"drop_{self.old_name.lower()}_view"


def _own_relations(old: Any, new: Any) -> Iterator[tuple[Any, Any]]:
    """Pairs of many-to-many fields whose table Django makes."""
    for before, after in zip(old._meta.local_many_to_many, new._meta.local_many_to_many, strict=True):
        if after.remote_field.through._meta.auto_created:
            yield before, after


def _renamed_tables(editor: Any, old: Any, new: Any) -> Iterator["RenamedTable"]:
    yield renamed_table(editor, old._meta.db_table, new._meta.db_table)
    for before, after in _own_relations(old, new):
        if before.m2m_db_table() != after.m2m_db_table():
            yield renamed_relation(editor, before, after)


def _renamed_columns(source: _Model, target: _Model) -> Iterator[tuple[Any, Any, _Model]]:
    """Columns named after the model in tables that keep their names: before, after, and the table's model after."""
    kept = [
        (before, after)
        for before, after in _own_relations(source, target)
        if before.m2m_db_table() == after.m2m_db_table()
    ]
    for before, after in (*kept, *_foreign_relations(source, target)):
        through_before, through_after = before.remote_field.through, after.remote_field.through
        for name in ("m2m_field_name", "m2m_reverse_field_name"):
            column = through_before._meta.get_field(getattr(before, name)())
            twin = through_after._meta.get_field(getattr(after, name)())
            if column.column != twin.column:
                yield column, twin, through_after


def _foreign_relations(source: _Model, target: _Model) -> Iterator[tuple[Any, Any]]:
    """Pairs of other models' many-to-many fields that point to the model."""
    before = {_identity(relation): relation.field for relation in _relations_to(source)}
    for relation in _relations_to(target):
        yield before[_identity(relation)], relation.field


def _relations_to(model: Any) -> Iterator[Any]:
    for relation in model._meta.related_objects:
        own = relation.related_model is model
        if relation.many_to_many and not own and relation.field.remote_field.through._meta.auto_created:
            yield relation


def _identity(relation: Any) -> tuple[str, str]:
    return relation.related_model._meta.label_lower, relation.field.name
