"""`makemigrations --update`: changes are merged into the latest migration, and its two halves stay apart."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.core.management import CommandError
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import CreateModel
from django.db.migrations.operations.base import Operation
from django.db.migrations.optimizer import MigrationOptimizer

from .autodetector import MigrationAutodetector
from .constants import Stage
from .exceptions import AmbiguousStage
from .inference import get_operation_stage
from .plan import partition_operations
from .standalone import stand_alone
from .writer import MigrationWriter

__all__ = ("LatestMigration",)


class LatestMigration(NamedTuple):
    """The latest migration of an app, which may still be changed."""

    migration: Migration
    path: str

    @classmethod
    def of(cls, app_label: str) -> "LatestMigration":
        """Find it. Raises `CommandError` if it has a part in what others have, or in a database."""
        loader = MigrationLoader(connections[DEFAULT_DB_ALIAS])
        leaves = loader.graph.leaf_nodes(app_label)
        if not leaves:
            raise CommandError(f"App {app_label} has no migration that could be updated.")
        migration = loader.graph.nodes[leaves[0]]
        if migration.replaces:
            raise CommandError(f"{migration} replaces other migrations and cannot be updated.")
        if leaves[0] in loader.applied_migrations:
            raise CommandError(f"{migration} is applied and cannot be updated.")
        dependants = [str(other) for other in loader.disk_migrations.values() if leaves[0] in other.dependencies]
        if dependants:
            raise CommandError(f"{migration} cannot be updated, as {', '.join(dependants)} depends on it.")
        return cls(migration, MigrationWriter(migration).path)

    def merged(self, new_migrations: Sequence[Migration], name: str | None) -> list[Any]:
        """Return what takes its place: one migration, or more where the deployment or a transaction divides them."""
        parts: list[Any] = stand_alone(self._halves(new_migrations))[0]
        number = MigrationAutodetector.parse_number(self.migration.name) or 0
        previous: Any = None
        for part in parts:
            part.name = self._free_name(f"{number:04}_{name or part.suggest_name()}")
            if previous is not None:
                own = [dependency for dependency in part.dependencies if dependency[0] != part.app_label]
                part.dependencies = [(part.app_label, previous.name), *own]
            previous, number = part, number + 1
        return parts

    def _free_name(self, name: str) -> str:
        """The old file is removed once the new one is written."""
        return f"{name}_updated" if name == self.migration.name else name

    def _halves(self, new_migrations: Sequence[Migration]) -> list[Any]:
        label = self.migration.app_label
        together = [*self.migration.operations, *(o for migration in new_migrations for o in migration.operations)]
        try:
            stages = ([], together) if self._creates_all(together) else partition_operations(together, label)
        except AmbiguousStage as error:
            raise CommandError(f"{self.migration} cannot be updated: {error} Leave out --update.") from error
        optimized = [MigrationOptimizer().optimize(operations, label) for operations in stages]
        halves: list[Any] = [self._half(operations) for operations in optimized if operations]
        halves[0].initial = self.migration.initial
        halves[0].dependencies = list(self.migration.dependencies)
        for migration in new_migrations:
            half = halves[-1] if _is_after(migration.operations) else halves[0]
            half.dependencies += [d for d in migration.dependencies if d[0] != label and d not in half.dependencies]
        return halves

    def _creates_all(self, operations: Sequence[Any]) -> bool:
        """Whether no code uses any of the tables yet, so that nothing has to wait."""
        created = {operation.name_lower for operation in operations if isinstance(operation, CreateModel)}
        names = (
            str(getattr(operation, "model_name", None) or getattr(operation, "name", "")) for operation in operations
        )
        return all(name.lower() in created for name in names)

    def _half(self, operations: list[Operation]) -> Any:
        half: Any = Migration(self.migration.name, self.migration.app_label)
        half.operations = operations
        return half


def _is_after(operations: Sequence[Operation]) -> bool:
    return all(get_operation_stage(operation) is Stage.POST_DEPLOY for operation in operations)
