"""Building separate migrations for the two sides of the deployment with Django's own builder."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.db.migrations import Migration
from django.db.migrations.autodetector import MigrationAutodetector as DjangoMigrationAutodetector
from django.db.migrations.graph import MigrationGraph
from django.db.migrations.operations.base import Operation

from .constants import Stage
from .plan import get_operation_stage

__all__ = ("STAGE_SPLIT", "DividedMigrations", "OperationStage", "StageDependency", "StagedOperationDependency")

STAGE_SPLIT = "__stage__"


class OperationStage(Operation):
    """Stands between the operations of the two stages of an app while migrations are built; never written."""

    _auto_deps: list[Any]


class StageDependency(NamedTuple):
    """What comes after the deployment needs the placeholder first."""

    app_label: str
    operation: OperationStage


class StagedOperationDependency(NamedTuple):
    """The placeholder needs the last operation before the deployment first."""

    app_label: str
    model_name: str
    operation: Operation


class DividedMigrations(DjangoMigrationAutodetector):
    """Mixin for the autodetector.

    Between the two halves of an app's operations stands a placeholder in an app of its own (`__stage__` and the
    label) that needs the first half and is needed by the second; Django's builder then has to start a new migration
    there, and the placeholders are dropped.
    """

    generated_operations: dict[str, list[Any]]
    migrations: dict[str, list[Any]]

    def _all_migrations(self) -> Iterator[Any]:
        for app_migrations in self.migrations.values():
            yield from app_migrations

    def _separate(self, app_label: str, last_before: Any, first_after: Any) -> None:
        split = OperationStage()
        model_name = getattr(last_before, "model_name", "") or getattr(last_before, "name", "")
        split._auto_deps = [StagedOperationDependency(app_label, model_name, last_before)]  # noqa: SLF001
        split_label = STAGE_SPLIT + app_label
        self.generated_operations[split_label] = [split]
        first_after._auto_deps = [*first_after._auto_deps, StageDependency(split_label, split)]  # noqa: SLF001

    def _drop_placeholders(self) -> None:
        for label in [label for label in self.migrations if label.startswith(STAGE_SPLIT)]:
            del self.migrations[label]
        for migration in self._all_migrations():
            migration.dependencies = [d for d in migration.dependencies if not d[0].startswith(STAGE_SPLIT)]

    def _bring_dependencies_forward(self, graph: MigrationGraph | None) -> None:
        """Let nothing before the deployment depend on what comes after it, unless it really does.

        Django's builder makes a migration depend on the last one of another app, whichever it needs.
        """
        for migration in self._all_migrations():
            if _is_after(migration):
                continue
            migration.dependencies = [
                self._earliest(migration, dependency, graph) for dependency in migration.dependencies
            ]

    def _earliest(self, migration: Migration, dependency: Any, graph: MigrationGraph | None) -> Any:
        candidates = {other.name: other for other in self.migrations.get(dependency[0], ())}
        target = candidates.get(dependency[1])
        if dependency[0] == migration.app_label or target is None or not _is_after(target):
            return dependency
        wanted = [
            resolved
            for operation in migration.operations
            for resolved in (self._resolve_dependency(d)[0] for d in operation._auto_deps)  # type: ignore[attr-defined] # noqa: SLF001
            if resolved.app_label == dependency[0]
        ]
        for other in reversed(candidates.values()):
            if any(self.check_dependency(operation, d) for operation in other.operations for d in wanted):
                return dependency[0], other.name
        applied = graph.leaf_nodes(dependency[0]) if graph is not None else []
        return applied[0] if applied else dependency

    def check_dependency(self, operation: Operation, dependency: Any) -> bool:
        """Tell whether `operation` is what `dependency` asks for."""
        if isinstance(dependency, (StageDependency, StagedOperationDependency)):
            return dependency.operation is operation
        if isinstance(operation, OperationStage):
            return False
        satisfied: bool = super().check_dependency(operation, dependency)
        return satisfied


def _is_after(migration: Migration) -> bool:
    """Whether everything in a migration waits for the deployment."""
    return all(get_operation_stage(operation) is Stage.POST_DEPLOY for operation in migration.operations)
