"""What becomes of an operation that runs before one which was written to run first, and of the one that it overtakes.

An operation that waits is overtaken by those of later releases. Most do the same in either order. Where one renames
what the other is about, the one that waits gets the new name; where both alter a field, each makes the changes of its
own alone. `None` stands for a pair whose order cannot be exchanged.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from django.db.migrations import operations
from django.db.migrations.operations.base import Operation
from django.db.migrations.operations.fields import FieldOperation
from django.db.migrations.operations.models import IndexOperation
from django.db.migrations.state import ProjectState
from django.db.migrations.utils import resolve_relation

from .inference import may_precede, points_elsewhere
from .locks.opaque import is_opaque
from .operations.both_names import AlterBothNames, RemoveConstraintTwice
from .operations.field_defaults import AnyField
from .operations.model_renames import ContractRenameModel
from .operations.per_row import FillField
from .operations.renames import ContractRenameField, ExpandRenameField

__all__ = ("Exchanged", "exchange")


class Exchanged(NamedTuple):
    """The operation that now runs first, and what the one that waits has to do afterwards."""

    first: Operation
    then: Operation


_Rule: TypeAlias = Callable[[Any, Any, str, ProjectState], "Exchanged | None"]

_WITHOUT_SCHEMA = (operations.AlterModelOptions, operations.AlterModelManagers)
# What code for the schema after them can do as well on the schema before.
_LEAVES_USABLE = (
    operations.RemoveField,
    operations.DeleteModel,
    operations.AlterField,
    ContractRenameField,
    ContractRenameModel,
)
# Options of a field that decide neither its type nor what it refers to.
_ABOUT_VALUES = {"null", "default", "db_default", "blank", "help_text", "verbose_name", "choices", "validators"}


def exchange(operation: Operation, waiting: Operation, app_label: str, state: ProjectState) -> Exchanged | None:
    """Let `operation` run before `waiting`, an operation of `app_label` that would have turned `state` into another."""
    unchanged = Exchanged(operation, waiting)
    if isinstance(operation, _WITHOUT_SCHEMA):
        return unchanged
    if _hides_what_it_does(waiting) and not isinstance(waiting, FillField):
        return None
    if _hides_what_it_does(operation):
        return unchanged if isinstance(waiting, _LEAVES_USABLE) else None
    for kind, rule in _RULES:
        if isinstance(operation, kind):
            return rule(operation, waiting, app_label, state)
    return _unless_related(operation, waiting, app_label, state)


def _hides_what_it_does(operation: Operation) -> bool:
    return is_opaque(operation) or isinstance(operation, operations.RunSQL) or not operation.reduces_to_sql


def _changed(operation: Any, **arguments: Any) -> Any:
    """The same operation with some arguments replaced."""
    _, args, kwargs = operation.deconstruct()
    changed = type(operation)(*args, **{**kwargs, **arguments})
    if isinstance(operation, (ContractRenameField, ContractRenameModel)):
        changed.current_name = operation.current_name
    return changed


# Renames


def _model_renamed(rename: operations.RenameModel, waiting: Any, app_label: str, _: ProjectState) -> Exchanged | None:
    if isinstance(waiting, ContractRenameModel):
        if waiting.current_name.lower() != rename.old_name_lower:
            return Exchanged(rename, waiting)
        later = _changed(waiting)
        later.current_name = rename.new_name
        return Exchanged(rename, later)
    if getattr(waiting, "model_name", "").lower() == rename.old_name_lower:
        waiting = _changed(waiting, model_name=rename.new_name)
    if isinstance(waiting, operations.AlterField) and _refers_to(waiting.field, waiting, app_label, rename):
        waiting = _changed(waiting, field=_pointed_to(waiting.field, f"{app_label}.{rename.new_name}"))
    return Exchanged(rename, waiting)


def _refers_to(field: AnyField, waiting: Any, app_label: str, rename: operations.RenameModel) -> bool:
    if not field.remote_field:
        return False
    return resolve_relation(field.remote_field.model, app_label, waiting.model_name_lower) == (
        app_label,
        rename.old_name_lower,
    )


def _pointed_to(field: AnyField, target: str) -> AnyField:
    field = field.clone()
    field.remote_field.model = target  # type: ignore[union-attr]
    return field.clone()


def _field_renamed(
    rename: operations.RenameField | ExpandRenameField, waiting: Any, app_label: str, state: ProjectState
) -> Exchanged | None:
    if not _is_about(waiting, rename.model_name_lower, rename.old_name):
        return _unless_related(rename, waiting, app_label, state)
    if isinstance(waiting, ContractRenameField):
        later = _changed(waiting)
        later.current_name = rename.new_name
        return Exchanged(rename, later)
    if isinstance(waiting, (operations.AlterField, FillField)):
        return Exchanged(rename, _changed(waiting, name=rename.new_name))
    return None


def _is_about(waiting: Any, model_name: str, field_name: str) -> bool:
    """Whether what waits has to do with a field that is there now."""
    name = waiting.current_name if isinstance(waiting, ContractRenameField) else getattr(waiting, "name", None)
    return getattr(waiting, "model_name", "").lower() == model_name and str(name).lower() == field_name.lower()


# Alterations


def _altered(alteration: operations.AlterField, waiting: Any, app_label: str, state: ProjectState) -> Exchanged | None:
    if not _is_about(waiting, alteration.model_name_lower, alteration.name):
        return _unless_related(alteration, waiting, app_label, state)
    if isinstance(waiting, ContractRenameField):
        return Exchanged(AlterBothNames.of(alteration, waiting.old_name), waiting)
    if isinstance(waiting, operations.AlterField):
        return _both_altered(alteration, waiting, app_label, state)
    return None


def _both_altered(
    alteration: operations.AlterField, waiting: operations.AlterField, app_label: str, state: ProjectState
) -> Exchanged | None:
    key, name = (app_label, waiting.model_name_lower), waiting.name
    fields = [state.models[key].get_field(name)]
    state = state.clone()
    for operation in (waiting, alteration):
        operation.state_forwards(app_label, state)
        fields.append(state.models[key].get_field(name))
    merged = _merged(*fields)
    if merged is None:
        return None
    return Exchanged(
        _changed(alteration, field=merged, preserve_default=True),
        _changed(waiting, field=fields[-1], preserve_default=True),
    )


def _merged(base: AnyField, between: AnyField, final: AnyField) -> "AnyField | None":
    """The first of three fields with what distinguishes the last one from the one in between."""
    (_, base_class, base_args, options), (_, class_, args, before), (_, _, final_args, after) = (
        field.deconstruct() for field in (base, between, final)
    )
    if base_class != class_ or base_args or args or final_args:
        return None
    absent = object()
    for option in {*before, *after}:
        if before.get(option, absent) != after.get(option, absent):
            options.pop(option, None)
            options |= {option: after[option]} if option in after else {}
    return type(final)(**options)


# Everything else


def _constraint_removed(
    removal: operations.RemoveConstraint, waiting: Any, app_label: str, state: ProjectState
) -> Exchanged | None:
    if isinstance(waiting, ContractRenameField) and waiting.model_name_lower == removal.model_name_lower:
        return Exchanged(RemoveConstraintTwice.of(removal, waiting.current_name, waiting.old_name), waiting)
    return _index_changed(removal, waiting, app_label, state)


def _index_changed(operation: Any, waiting: Any, app_label: str, state: ProjectState) -> Exchanged | None:
    """An index does not depend on the values of its columns, and one that goes does not depend on anything."""
    added = isinstance(operation, (operations.AddIndex, operations.AddConstraint))
    if isinstance(waiting, (operations.AlterField, FillField, ContractRenameField, ContractRenameModel)) or (
        isinstance(waiting, _LEAVES_USABLE) and not added
    ):
        return Exchanged(operation, waiting)
    return _unless_related(operation, waiting, app_label, state)


def _unless_related(operation: Any, waiting: Any, app_label: str, state: ProjectState) -> Exchanged | None:
    independent = (
        isinstance(waiting, ContractRenameModel)
        or may_precede(operation, waiting, app_label)
        or _only_points_to_its_model(operation, waiting, app_label, state)
        or (isinstance(waiting, FillField) and not _mentions(operation, waiting, app_label))
        or (_adds_field(operation) and _alters_values_only(waiting, app_label, state))
    )
    return Exchanged(operation, waiting) if independent else None


def _mentions(operation: Operation, waiting: FillField, app_label: str) -> bool:
    return operation.references_field(waiting.model_name, waiting.name, app_label)


def _adds_field(operation: Operation) -> bool:
    return isinstance(operation, (operations.AddField, operations.CreateModel))


def _alters_values_only(waiting: Any, app_label: str, state: ProjectState) -> bool:
    """Whether an alteration leaves a field's type as it is, on which generated columns and foreign keys depend."""
    if not isinstance(waiting, operations.AlterField):
        return False
    before = state.models[app_label, waiting.model_name_lower].get_field(waiting.name).deconstruct()
    after = waiting.field.deconstruct()
    different = {name for name in {*before[3], *after[3]} if before[3].get(name) != after[3].get(name)}
    return before[1:3] == after[1:3] and different <= _ABOUT_VALUES


def _only_points_to_its_model(operation: Any, waiting: Any, app_label: str, state: ProjectState) -> bool:
    """Whether an operation points to the model that the waiting one is about, but to another field of it."""
    if not (isinstance(waiting, FieldOperation) and points_elsewhere(operation, waiting, app_label)):
        return False
    field = state.models[app_label, waiting.model_name_lower].fields.get(getattr(waiting, "current_name", waiting.name))
    return field is not None and not field.primary_key


_RULES: tuple[tuple[Any, _Rule], ...] = (
    (operations.RenameModel, _model_renamed),
    ((operations.RenameField, ExpandRenameField), _field_renamed),
    (operations.AlterField, _altered),
    (operations.RemoveConstraint, _constraint_removed),
    (IndexOperation, _index_changed),
)
