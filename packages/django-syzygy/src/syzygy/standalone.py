"""Operations that stand alone, each in a migration that is not one transaction.

They are committed step by step, and can be run again only if nothing else in the file has been done already.
"""

from collections.abc import Iterable
from typing import Any

from django.db.migrations import Migration
from django.db.migrations.operations.base import Operation

__all__ = ("stand_alone",)


def stand_alone(app_migrations: Iterable[Migration]) -> tuple[list[Migration], dict[str, str]]:
    """Divide an app's new migrations, and tell which name those that others depend on have got.

    What others wait for is the last part.
    """
    divided: list[Migration] = []
    last_names: dict[str, str] = {}
    for migration in app_migrations:
        parts = _parts(migration)
        divided += parts
        last_names[migration.name] = parts[-1].name
    return divided, last_names


def _parts(migration: Migration) -> list[Migration]:
    groups = _groups(migration.operations)
    if len(groups) < 2:
        _commit_steps(migration)
        return [migration]
    parts: list[Migration] = []
    for number, operations in enumerate(groups):
        part: Any = type(migration)(f"{migration.name}_{number}", migration.app_label)
        part.initial = migration.initial and number == 0
        part.operations = operations
        part.dependencies = [(migration.app_label, parts[-1].name)] if parts else migration.dependencies
        _commit_steps(part)
        parts.append(part)
    return parts


def _groups(operations: Iterable[Operation]) -> list[list[Operation]]:
    groups: list[list[Operation]] = []
    alone = True
    for operation in operations:
        if alone or _stands_alone(operation):
            groups.append([])
        groups[-1].append(operation)
        alone = _stands_alone(operation)
    return groups


def _commit_steps(migration: Any) -> None:
    if any(map(_stands_alone, migration.operations)):
        migration.atomic = False


def _stands_alone(operation: Operation) -> bool:
    return getattr(operation, "standalone", False)
