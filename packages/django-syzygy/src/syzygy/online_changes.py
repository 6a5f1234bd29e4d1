"""Which of Django's operations read or index a whole table, and their twins that do so online."""

from typing import Any

from django.db import models
from django.db.migrations import operations
from django.db.migrations.operations.base import Operation

from .constants import Stage
from .operations import (
    AddConstraintOnline,
    AddFieldOnline,
    AddIndexOnline,
    AlterField,
    AlterFieldOnline,
    AlterUniqueTogetherOnline,
    RemoveIndexOnline,
)

__all__ = ("online_twin",)

_ALWAYS: dict[type[Operation], type[Operation]] = {
    operations.AddIndex: AddIndexOnline,
    operations.RemoveIndex: RemoveIndexOnline,
    operations.AlterUniqueTogether: AlterUniqueTogetherOnline,
}


def online_twin(operation: Operation, old_field: Any | None) -> Operation:
    """Return the operation to write for a table that exists; `old_field` is what an alteration alters."""
    if type(operation) in _ALWAYS:
        return _rebuilt(operation, _ALWAYS[type(operation)])
    if type(operation) is operations.AddConstraint and _is_checked(operation.constraint):
        return _rebuilt(operation, AddConstraintOnline)
    if type(operation) is operations.AddField and _has_checks(operation.field):
        return _rebuilt(operation, AddFieldOnline)
    if type(operation) in {operations.AlterField, AlterField} and old_field is not None:
        return _online_alteration(operation, old_field)
    return operation


def _rebuilt(operation: Operation, kind: type[Operation], **more: Any) -> Operation:
    _, args, kwargs = operation.deconstruct()
    return kind(*args, **{**kwargs, **more})


def _is_checked(constraint: Any) -> bool:
    """An exclusion constraint has no form that could be added without a lock."""
    return isinstance(constraint, (models.CheckConstraint, models.UniqueConstraint))


def _has_checks(field: Any) -> bool:
    """Whether adding the column also builds an index or checks each row."""
    return not field.many_to_many and (_is_referring(field) or field.unique or field.db_index or _is_positive(field))


def _is_referring(field: Any) -> bool:
    return bool(field.remote_field and getattr(field, "db_constraint", False))


def _is_positive(field: Any) -> bool:
    return isinstance(
        field, (models.PositiveIntegerField, models.PositiveBigIntegerField, models.PositiveSmallIntegerField)
    )


def _online_alteration(operation: Any, old: Any) -> Operation:
    new = operation.field
    if old.many_to_many or new.many_to_many:
        return operation  # type: ignore[no-any-return]
    checks = (
        old.null and not new.null,
        new.unique and not old.unique,
        new.db_index and not (old.db_index and not old.unique),
        _is_referring(new) and not _is_referring(old),
        _is_positive(new) and not _is_positive(old),
    )
    if not any(checks):
        return operation  # type: ignore[no-any-return]
    online = _rebuilt(operation, AlterFieldOnline, stage=getattr(operation, "stage", Stage.PRE_DEPLOY))
    if isinstance(operation, AlterField):
        online.migration_name_fragment = operation.migration_name_fragment  # type: ignore[misc]
        online.description = operation.description  # type: ignore[attr-defined]
    return online
