"""Additions and removals of columns that the code of the other side of a deployment does not know.

While old and new code run side by side, an INSERT of the side that ignores a column needs the database to fill it.
"""

import datetime as dt
from typing import Any, TypeAlias

from django.db import models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import operations
from django.db.models.expressions import Expression
from django.db.models.functions import Cast, Now
from django.utils import timezone
from django.utils.functional import Promise

from syzygy.constants import Stage

from .staged import AlterField

__all__ = (
    "get_database_default",
    "get_post_add_field_operation",
    "get_pre_add_field_operation",
    "get_pre_remove_field_operation",
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
        value = BaseDatabaseSchemaEditor._effective_default(field)  # type: ignore[attr-defined] # noqa: SLF001
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

    A unique column cannot have the same default in every row and becomes nullable instead.
    """
    _refuse_database_default(field, "no pre-deployment operation")
    database_default = None if field.unique else get_database_default(field)
    field = field.clone()
    if database_default is None:
        field.null = True
    else:
        field.db_default = database_default
    operation = AlterField(model_name, name, field, stage=Stage.PRE_DEPLOY)
    action = "set_nullable" if database_default is None else "set_db_default"
    operation.migration_name_fragment = f"{action}_{model_name.lower()}_{name.lower()}"
    operation.description = (
        f"Set field {name} of {model_name} NULLable"
        if database_default is None
        else f"Set database DEFAULT of field {name} on {model_name}"
    )
    return operation
