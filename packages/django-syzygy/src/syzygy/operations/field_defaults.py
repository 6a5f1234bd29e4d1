"""Additions and removals of columns that the code of the other side of a deployment does not know.

While old and new code run side by side, an INSERT of the side that ignores a column needs the database to fill it.
"""

import datetime as dt
import uuid
from typing import Any, TypeAlias

from django.db import models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import operations
from django.db.models.expressions import Expression
from django.db.models.functions import Cast, Now
from django.utils import timezone
from django.utils.functional import Promise

from syzygy.constants import Stage
from syzygy.functions import RandomUUID

from .staged import AlterField

__all__ = (
    "get_database_default",
    "get_post_add_field_operation",
    "get_pre_add_field_operation",
    "get_pre_remove_field_operation",
    "get_row_default",
    "is_constrained_reference",
    "varies",
)

AnyField: TypeAlias = "models.Field[Any, Any]"

_CLOCKS = (
    timezone.now,
    timezone.localdate,
    dt.datetime.now,
    dt.datetime.utcnow,
    dt.date.today,
)


def get_database_default(field: AnyField) -> Any:
    """Return what the database should put into a row whose writer ignores the field, `None` if nothing can be said.

    Timestamps become expressions; any other callable default is called once, now. Fields that already have a
    `db_default`, are generated, or hold many-to-many relations need nothing.
    """
    if field.many_to_many or field.generated or field.has_db_default():
        return None
    return _current_time(field) or _literal_default(field)


def varies(field: AnyField) -> bool:
    """Tell whether a field needs its default called for each row: one that is unique, or comes out anew each time."""
    if field.is_relation or field.generated or field.primary_key or field.has_db_default():
        return False
    if not (field.has_default() and callable(field.default)) or _current_time(field) is not None:
        return False
    return field.unique or bool(field.default() != field.default())


def get_row_default(field: AnyField) -> Expression | None:
    """Return what the database itself can put into each row, where it is as good as what the default makes."""
    return RandomUUID() if isinstance(field, models.UUIDField) and field.default is uuid.uuid4 else None


def is_constrained_reference(field: AnyField) -> bool:
    """Tell whether the database keeps rows from being deleted that the field refers to."""
    return isinstance(field, models.ForeignKey) and bool(vars(field)["db_constraint"])


def _current_time(field: AnyField) -> Expression | None:
    """What a clock shows when the row is written, not when the migration was made."""
    if not isinstance(field, (models.DateField, models.TimeField)):
        return None
    runs = field.auto_now or field.auto_now_add
    if field.has_default():
        runs = any(field.default == clock for clock in _CLOCKS)
    if not runs:
        return None
    return Now() if isinstance(field, models.DateTimeField) else Cast(Now(), _column_type(field))


def _column_type(field: AnyField) -> AnyField:
    """The bare column type, free of the field's own options."""
    return models.DateField() if isinstance(field, models.DateField) else models.TimeField()


def _literal_default(field: AnyField) -> Any:
    if not isinstance(field, models.ForeignKey):
        value = BaseDatabaseSchemaEditor._effective_default(field)  # type: ignore[attr-defined]
        return str(value) if isinstance(value, Promise) else value
    # ForeignKey.get_default() resolves the relation, which a field of a project state may not have.
    value = models.Field.get_default(field) if field.has_default() else None
    if isinstance(value, models.Model):
        target = (getattr(field, "to_fields", None) or [None])[0]
        return getattr(value, target or "pk")
    return value


def _refuse_database_default(field: AnyField, what: str) -> None:
    if field.has_db_default():
        raise ValueError(
            f"The field has a db_default, which the database applies on both sides of a deployment: {what} is needed."
        )


def get_pre_add_field_operation(
    model_name: str, name: str, field: AnyField, preserve_default: bool = True
) -> operations.AddField:
    """Return the addition that leaves its default in the database, so that old code can go on inserting rows."""
    _refuse_database_default(field, "no operation before it")
    database_default = get_database_default(field)
    field = field.clone()
    if database_default is not None:
        field.db_default = database_default
    return operations.AddField(model_name, name, field, preserve_default)


def get_post_add_field_operation(
    model_name: str, name: str, field: AnyField, preserve_default: bool = True
) -> AlterField:
    """Return the operation that takes the default out of the database once no old code runs any more."""
    _refuse_database_default(field, "no operation after it")
    field = field.clone()
    if not preserve_default:
        field.default = models.NOT_PROVIDED
    operation = AlterField(model_name, name, field, stage=Stage.POST_DEPLOY)
    operation.migration_name_fragment = f"drop_db_default_{model_name.lower()}_{name.lower()}"
    operation.description = f"Drop database DEFAULT of field {name} on {model_name}"
    return operation


def get_pre_remove_field_operation(model_name: str, name: str, field: AnyField) -> AlterField:
    """Return the operation that lets new code insert rows without the field while the column is still there.

    A unique column cannot have the same default in every row and becomes nullable instead. A foreign key loses its
    constraint: new code does not know of rows that keep it from deleting the row they refer to.
    """
    if not is_constrained_reference(field):
        _refuse_database_default(field, "no pre-deployment operation")
    database_default = None if field.unique else get_database_default(field)
    action = _removal_action(field, database_default)
    field = field.clone()
    if action == "set_nullable":
        field.null = True
    elif action == "set_db_default":
        field.db_default = database_default  # type: ignore[assignment]
    if is_constrained_reference(field):
        field.db_constraint = False  # type: ignore[attr-defined]
    operation = AlterField(model_name, name, field, stage=Stage.PRE_DEPLOY)
    operation.migration_name_fragment = f"{action}_{model_name.lower()}_{name.lower()}"
    operation.description = _REMOVAL_DESCRIPTIONS[action].format(name=name, model_name=model_name)
    return operation


_REMOVAL_DESCRIPTIONS = {
    "set_nullable": "Set field {name} of {model_name} NULLable",
    "set_db_default": "Set database DEFAULT of field {name} on {model_name}",
    "release": "Drop the foreign key constraint of field {name} on {model_name}",
}


def _removal_action(field: AnyField, database_default: Any) -> str:
    if database_default is not None:
        return "set_db_default"
    if field.has_db_default() or (field.null and is_constrained_reference(field)):
        return "release"
    return "set_nullable"
