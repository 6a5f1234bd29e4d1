"""Deploying changes that were stacked: what destroys waits, what was built on top of it does not.

A migration for after the deployment that one for before it depends on is recorded as applied without its operations,
which are put on a list in the database. The operations of the others run on the schema as it then is, in which what
is to be removed is still there. After the deployment the list is worked off first.
"""

from collections.abc import Sequence
from typing import NamedTuple

from django.db.migrations import Migration, operations
from django.db.migrations.operations.base import Operation
from django.db.migrations.operations.models import IndexOperation

from .exceptions import AmbiguousPlan
from .inference import may_precede
from .locks.opaque import is_opaque
from .plan import Conflict, Plan, get_pre_deploy_plan, must_post_deploy_migration, requirements
from .progress import MigrationKey

__all__ = ("Division", "commutes", "divide_plan")


class Division(NamedTuple):
    """A plan cut at the deployment: what is done now, which of it only in the records, and what is left."""

    now: Plan
    deferred: set[MigrationKey]
    postponed: Plan


def divide_plan(plan: Plan, waiting: Sequence[Migration] = ()) -> Division:
    """Divide a plan; `waiting` are migrations that an earlier run deferred and that have not been done since.

    Raises `AmbiguousPlan` where a migration for before the deployment touches what one that waits is about.
    """
    if any(backward for _, backward in plan):
        now = get_pre_deploy_plan(plan)
        return Division(now, set(), [entry for entry in plan if entry not in now])
    needs = _transitive_requirements(plan)
    postponed: dict[MigrationKey, Migration] = {}
    deferred: set[MigrationKey] = set()
    for migration, _ in plan:
        key = (migration.app_label, migration.name)
        behind = [other for other in postponed if other in needs[key]]
        wait = must_post_deploy_migration(migration)
        if wait or (wait is None and behind):
            postponed[key] = migration
            continue
        for obstacle in (*waiting, *(postponed[other] for other in behind)):
            _refuse_conflict(migration, obstacle)
        deferred.update(behind)
    kept = [entry for entry in plan if _key(entry) not in postponed or _key(entry) in deferred]
    return Division(kept, deferred, [entry for entry in plan if entry not in kept])


def _key(entry: tuple[Migration, bool]) -> MigrationKey:
    return entry[0].app_label, entry[0].name


def _transitive_requirements(plan: Plan) -> dict[MigrationKey, set[MigrationKey]]:
    direct = requirements(plan)
    found: dict[MigrationKey, set[MigrationKey]] = {}
    for entry in plan:
        needed = direct[_key(entry)]
        found[_key(entry)] = needed.union(*(found.get(key, set()) for key in needed))
    return found


def _refuse_conflict(migration: Migration, obstacle: Migration) -> None:
    independent = all(
        commutes(operation, waiting, obstacle.app_label)
        for operation in migration.operations
        for waiting in obstacle.operations
    )
    if not independent:
        raise AmbiguousPlan(Conflict(migration, obstacle, False).message())


_WITHOUT_SCHEMA = (operations.AlterModelOptions, operations.AlterModelManagers)


def commutes(operation: Operation, waiting: Operation, app_label: str) -> bool:
    """Tell whether an operation does the same before `waiting`, an operation of `app_label`, as after it.

    Code and SQL written for a schema without something do not touch it, so they may run while it is still there.
    """
    if isinstance(operation, _WITHOUT_SCHEMA):
        return True
    if is_opaque(waiting) or isinstance(waiting, operations.RunSQL) or not waiting.reduces_to_sql:
        return False
    if is_opaque(operation) or isinstance(operation, operations.RunSQL) or not operation.reduces_to_sql:
        return _only_restricts(waiting)
    if isinstance(operation, IndexOperation) and _only_restricts(waiting) and not _adds(operation):
        return True
    return may_precede(operation, waiting, app_label)


def _only_restricts(waiting: Operation) -> bool:
    return isinstance(waiting, (operations.RemoveField, operations.DeleteModel, operations.AlterField))


def _adds(operation: IndexOperation) -> bool:
    return isinstance(operation, (operations.AddIndex, operations.AddConstraint))
