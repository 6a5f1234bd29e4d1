"""What columns and tables are called in the database, and when a change wants a name that is still in use.

A field that goes is gone for new code at once, but its column stays until after the deployment; so does the table of a
model. Nothing that comes before the deployment can have their names.
"""

from typing import Any, TypeAlias

from django.db.migrations import operations
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ModelState, ProjectState

from .operations import ContractRenameField, ContractRenameModel, ExpandRenameField

__all__ = ("column_of", "name_in_use", "table_of")

_Name: TypeAlias = tuple[str, str | None]
"""A table and one of its columns, `None` for the table itself."""


def table_of(model_state: ModelState) -> str:
    """Return the name of a model's table."""
    table: str | None = model_state.options.get("db_table")
    return table or _default_table(model_state.app_label, model_state.name)


def _default_table(app_label: str, model_name: str) -> str:
    return f"{app_label}_{model_name.lower()}"


def column_of(field: Any, name: str) -> str | None:
    """Return the column of a field of a model state, which is not bound to its name; `None` for many-to-many."""
    field = field.clone()
    field.set_attributes_from_name(name)
    column: str | None = field.get_attname_column()[1]
    return None if field.many_to_many else column


def name_in_use(
    operation: Operation, app_label: str, waiting: Operation, waiting_label: str, state: ProjectState
) -> str | None:
    """Say which name an operation gives to something else than what has it until `waiting` has run; `None` for none.

    `state` is the one before both.
    """
    taken = _wanted(operation, app_label, state) & _kept(waiting, waiting_label, state)
    if not taken:
        return None
    table, column = min(taken, key=str)
    kept = f"Table {table}" if column is None else f"Column {column} of table {table}"
    return (
        f"{kept} is there until after the deployment, so nothing else can have its name before. Take another name, or "
        "make the change in a later release."
    )


def _kept(waiting: Any, app_label: str, state: ProjectState) -> set[_Name]:
    """The names that stay in use until an operation has run."""
    if isinstance(waiting, (operations.DeleteModel, operations.RenameModel)):
        return _tables(state.models.get((app_label, waiting.name_lower)))
    if isinstance(waiting, ContractRenameModel):
        model_state = state.models.get((app_label, waiting.current_name.lower()))
        return _tables(model_state, _default_table(app_label, waiting.old_name))
    if isinstance(waiting, ContractRenameField):
        return _name(state, app_label, waiting.model_name_lower, waiting.current_name, waiting.old_name)
    if isinstance(waiting, operations.RenameField):
        return _only_as(waiting.old_name, waiting.new_name, waiting, app_label, state)
    if isinstance(waiting, operations.RemoveField):
        return _name(state, app_label, waiting.model_name_lower, waiting.name, waiting.name)
    return set()


def _wanted(operation: Any, app_label: str, state: ProjectState) -> set[_Name]:
    """The names that come into use with an operation."""
    if isinstance(operation, operations.CreateModel):
        # A model state completes the options that it is given, and the operation's are written into a file.
        return _tables(ModelState(app_label, operation.name, operation.fields, dict(operation.options)))
    if isinstance(operation, operations.RenameModel):
        model_state = state.models.get((app_label, operation.old_name_lower))
        moves = model_state is not None and not model_state.options.get("db_table")
        return {(_default_table(app_label, operation.new_name), None)} if moves else set()
    if isinstance(operation, operations.AlterModelTable):
        return {(operation.table or _default_table(app_label, operation.name), None)}
    if isinstance(operation, (operations.RenameField, ExpandRenameField)):
        return _only_as(operation.new_name, operation.old_name, operation, app_label, state)
    if isinstance(operation, (operations.AddField, operations.AlterField)):
        model_state = state.models.get((app_label, operation.model_name_lower))
        named = set() if model_state is None else _names_of(operation.field, operation.name, table_of(model_state))
        return named - _name(state, app_label, operation.model_name_lower, operation.name, operation.name)
    return set()


def _name(state: ProjectState, app_label: str, model_name: str, current_name: str, name: str) -> set[_Name]:
    """What the field `current_name` has in the database if it is called `name`."""
    model_state = state.models.get((app_label, model_name))
    field = model_state and model_state.fields.get(current_name)
    return set() if model_state is None or field is None else _names_of(field, name, table_of(model_state))


def _only_as(
    name: str, other: str, rename: operations.RenameField | ExpandRenameField, app_label: str, state: ProjectState
) -> set[_Name]:
    """What the field of a renaming has in the database under one of its names and not under the other."""
    model_name, field_name = rename.model_name_lower, rename.old_name
    return _name(state, app_label, model_name, field_name, name) - _name(
        state, app_label, model_name, field_name, other
    )


def _names_of(field: Any, name: str, table: str) -> set[_Name]:
    if not field.many_to_many:
        column = column_of(field, name)
        return set() if column is None else {(table, column)}  # a relation over other fields' columns has none
    return set() if field.remote_field.through else {(field.db_table or f"{table}_{name}", None)}


def _tables(model_state: ModelState | None, table: str | None = None) -> set[_Name]:
    """A model's own table, and those of its many-to-many fields; `table` is one it has beside that of its state."""
    if model_state is None or model_state.options.get("proxy") or not model_state.options.get("managed", True):
        return set()
    own = table or table_of(model_state)
    relations = [(name, field) for name, field in model_state.fields.items() if field.many_to_many]
    return {(own, None)}.union(*(_names_of(field, name, own) for name, field in relations))
