"""Which stage an operation or a migration belongs to, and how a list of operations splits in two."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from django.db.migrations import Migration, operations
from django.db.migrations.operations.base import Operation
from django.db.migrations.operations.fields import FieldOperation
from django.db.migrations.utils import resolve_relation
from django.db.models import F, Index, Q
from django.db.models.constants import LOOKUP_SEP
from django.db.models.constraints import BaseConstraint, CheckConstraint, UniqueConstraint

from . import conf
from .constants import Stage
from .exceptions import AmbiguousStage
from .stages import parse_stage

__all__ = (
    "MigrationStage",
    "get_migration_stage",
    "get_operation_stage",
    "may_precede",
    "partition_operations",
    "points_elsewhere",
    "stage_of",
)


class MigrationStage(NamedTuple):
    """A migration's stage (`None`: it does nothing) and whether somebody wrote it down or it was inferred."""

    stage: Stage | None
    defined: bool


def get_operation_stage(operation: Operation) -> Stage:
    """Return the stage an operation declares, else POST for removals and PRE for everything else."""
    declared = getattr(operation, "stage", None)
    if declared is not None:
        return parse_stage(declared, f"{type(operation).__name__}.stage")
    if isinstance(operation, (operations.DeleteModel, operations.RemoveField)):
        return Stage.POST_DEPLOY
    return Stage.PRE_DEPLOY


def _configured(stages: Mapping[str, Stage], migration: Migration) -> Stage | None:
    return (stages.get(str(migration)) or stages.get(migration.app_label)) if stages else None


def _inferred(migration: Migration) -> Stage | None:
    stages = {get_operation_stage(operation) for operation in migration.operations}
    if len(stages) < 2:
        return stages.pop() if stages else None
    if migration.replaces and _spares_tables_in_use(migration.operations):
        return Stage.PRE_DEPLOY
    fallback = _configured(conf.MIGRATION_STAGES_FALLBACK, migration)
    if fallback is None:
        raise AmbiguousStage(
            f"{migration} holds operations for both sides of a deployment, so its stage cannot be inferred. "
            "Set `stage` on the migration class, split it in two, or name it in MIGRATION_STAGES_OVERRIDE or "
            "MIGRATION_STAGES_FALLBACK."
        )
    return fallback


def _spares_tables_in_use(operations_: Iterable[Any]) -> bool:
    """Whether all that would have to wait is about tables that the migration itself makes, as squashing leaves it."""
    made: set[str] = set()
    for operation in operations_:
        if isinstance(operation, operations.CreateModel):
            made.add(operation.name_lower)
        elif isinstance(operation, operations.RenameModel) and operation.old_name_lower in made:
            made.add(operation.new_name_lower)
        elif get_operation_stage(operation) is Stage.POST_DEPLOY:
            name = str(getattr(operation, "model_name", None) or getattr(operation, "name", ""))
            if name.lower() not in made:
                return False
    return True


def stage_of(migration: Migration) -> MigrationStage:
    """Return a migration's stage: its `stage` attribute, the override setting, inference, the fallback setting.

    Raises `AmbiguousStage` if none of them decides and `InvalidStage` for an attribute that is not a stage.
    """
    declared = getattr(migration, "stage", None)
    if declared is not None:
        return MigrationStage(parse_stage(declared, f"The stage of {migration}"), defined=True)
    override = _configured(conf.MIGRATION_STAGES_OVERRIDE, migration)
    if override is not None:
        return MigrationStage(override, defined=True)
    return MigrationStage(_inferred(migration), defined=False)


def get_migration_stage(migration: Migration) -> Stage | None:
    """Return a migration's stage, `None` if it has no operations and nothing defines one; see `stage_of`."""
    return stage_of(migration).stage


def partition_operations(operations_: Iterable[Operation], app_label: str) -> tuple[list[Operation], list[Operation]]:
    """Split operations into those before and those after a deployment, keeping their order within each.

    A pre-deployment operation that comes later than post-deployment ones is moved in front of them only where that
    changes nothing; `AmbiguousStage` otherwise.
    """
    given = list(operations_)
    with_new_key = {o.model_name_lower for o in given if isinstance(o, _SETS_FIELD) and o.field.primary_key}

    def is_obstacle(operation: Operation, waiting: Operation) -> bool:
        if may_precede(operation, waiting, app_label):
            return False
        keeps_key = isinstance(waiting, FieldOperation) and waiting.model_name_lower not in with_new_key
        return not (keeps_key and points_elsewhere(operation, waiting, app_label))

    before: list[Operation] = []
    after: list[Operation] = []
    for operation in given:
        if get_operation_stage(operation) is Stage.POST_DEPLOY:
            after.append(operation)
            continue
        obstacle = next((o for o in after if is_obstacle(operation, o)), None)
        if obstacle is not None:
            raise AmbiguousStage(
                f"Operation {operation.describe()!r} of app {app_label!r} is meant for before the deployment but "
                f"may depend on {obstacle.describe()!r}, which is meant for after it."
            )
        before.append(operation)
    return before, after


def may_precede(operation: Operation, obstacle: Operation, app_label: str) -> bool:
    """Tell whether an operation may be moved in front of one of `app_label` that comes before it."""
    if obstacle.reduce(operation, app_label) is True:
        return True
    # Django's optimizer takes every index operation for one that touches everything.
    if not isinstance(operation, (operations.AddIndex, operations.AddConstraint)):
        return False
    if isinstance(obstacle, operations.DeleteModel):
        return operation.model_name_lower != obstacle.name_lower
    return isinstance(obstacle, FieldOperation) and not _index_mentions(operation, obstacle)


_ANY = "*"
_SETS_FIELD = (operations.AddField, operations.AlterField)


def points_elsewhere(operation: Operation, obstacle: Operation, app_label: str) -> bool:
    """Tell whether an operation has to do with a model because it points there, and not to the field of `obstacle`.

    Django's optimizer takes a relation that does not say which field it points to for one that may point to any. That
    it does not point to `obstacle`'s field holds unless this is the primary key.
    """
    if not isinstance(obstacle, FieldOperation):
        return False
    if isinstance(operation, operations.CreateModel):
        bases = {resolve_relation(base, app_label) for base in operation.bases or () if isinstance(base, str)}
        related = [] if (app_label, obstacle.model_name_lower) in bases else [field for _, field in operation.fields]
    elif isinstance(operation, _SETS_FIELD) and not obstacle.references_field(
        operation.model_name, operation.name, app_label
    ):
        related = [operation.field] if operation.field.is_relation else []
    else:
        related = []
    return bool(related) and not any(obstacle.name in _named_targets(field) for field in related)


def _named_targets(field: Any) -> set[str]:
    through = getattr(field.remote_field, "through_fields", None) or ()
    return {*(getattr(field, "to_fields", None) or ()), *through}


def _index_mentions(operation: operations.AddIndex | operations.AddConstraint, obstacle: FieldOperation) -> bool:
    if operation.model_name_lower != obstacle.model_name_lower:
        return False
    subject = operation.index if isinstance(operation, operations.AddIndex) else operation.constraint
    names = _fields_of(subject)
    return names is None or obstacle.name in names


def _fields_of(subject: Index | BaseConstraint) -> set[str] | None:
    """The fields an index or constraint is made of, `None` if expressions make that uncertain."""
    condition = set(_fields_in(getattr(subject, "condition", None)))
    if _ANY in condition:
        return None
    if isinstance(subject, CheckConstraint):
        return condition
    if not isinstance(subject, (Index, UniqueConstraint)) or subject.expressions:
        return None
    included: Iterable[str] = getattr(subject, "include", None) or ()
    return condition | {name.removeprefix("-") for name in (*subject.fields, *included)}


def _fields_in(condition: Any) -> Iterator[str]:
    """The fields that a condition names, and `_ANY` where it holds what may name others."""
    if isinstance(condition, tuple):
        lookup, condition = condition
        yield lookup.partition(LOOKUP_SEP)[0]
    if isinstance(condition, F):
        yield vars(condition)["name"].partition(LOOKUP_SEP)[0]
    elif isinstance(condition, Q):
        for child in condition.children:
            yield from _fields_in(child)
    elif hasattr(condition, "resolve_expression"):
        yield _ANY
