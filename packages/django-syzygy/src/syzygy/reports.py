"""What a run of `migrate` would do, for people and for programs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.core.management.base import OutputWrapper
from django.core.management.color import Style
from django.core.management.commands.migrate import Command as DjangoCommand
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.state import ProjectState

from .constants import Stage
from .executor import StagedMigrationExecutor, StagedRun
from .locks.catalog import TableSize, table_sizes
from .locks.prediction import Prediction, predict_locks
from .plan import get_migration_stage

__all__ = ("MigrationReport", "OperationReport", "PlanReport", "stage_in_words")


@dataclass
class OperationReport:
    """One operation in words, and the locks it takes."""

    description: str
    prediction: Prediction


@dataclass
class MigrationReport:
    """One migration of a plan: `when` is "now", "recorded" (its operations are put off) or "postponed"."""

    migration: Migration
    backward: bool
    when: str
    stage: Stage | None
    operations: list[OperationReport]


def stage_in_words(stage: Stage | None) -> str:
    """Say when a migration runs."""
    if stage is None:
        return "before or after the deployment"
    return "before the deployment" if stage is Stage.PRE_DEPLOY else "after the deployment"


class PlanReport:
    """The plan of a run, its locks and the sizes of the tables that they are on."""

    def __init__(self, run: StagedRun, executor: StagedMigrationExecutor) -> None:
        self.run = run
        self.executor = executor
        self.connection: BaseDatabaseWrapper = executor.connection
        self.migrations = list(self._migrations())
        self.sizes = self._sizes()

    def _migrations(self) -> Iterator[MigrationReport]:
        state = self.executor._create_project_state(with_applied_migrations=True)  # noqa: SLF001 - Django's command does
        entries = [(entry, "now") for entry in self.run.plan] + [(entry, "postponed") for entry in self.run.postponed]
        for (migration, backward), when in entries:
            key = (migration.app_label, migration.name)
            recorded = when == "now" and not backward and key in self.run.deferred
            never_ran = backward and key in self.executor.history.waiting
            operations = [] if never_ran else list(self._operations(migration, backward, state, recorded))
            stage = get_migration_stage(migration)
            yield MigrationReport(migration, backward, "recorded" if recorded else when, stage, operations)

    def _operations(
        self, migration: Migration, backward: bool, state: ProjectState, recorded: bool
    ) -> Iterator[OperationReport]:
        if backward:
            key = (migration.app_label, migration.name)
            state = self.executor.loader.project_state(key, at_end=False)
        operations = migration.operations if recorded else self.executor.operations_of(migration)
        for operation in operations:
            before = state.clone()
            after = before.clone() if recorded else state
            operation.state_forwards(migration.app_label, after)
            prediction = predict_locks(self.connection, migration.app_label, operation, before, after, backward)
            yield OperationReport(DjangoCommand.describe_operation(operation, backward)[0], prediction)

    def _sizes(self) -> dict[str, TableSize]:
        locks = [lock for m in self.migrations for o in m.operations for lock in o.prediction.locks or ()]
        tables = {lock.table for lock in locks if lock.table}
        return table_sizes(self.connection, tables) if tables else {}

    # For programs

    def as_dict(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            "database": self.connection.alias,
            "stage": "post_only" if self.run.post_only else self.run.stage.value,
            "migrations": [self._migration_as_dict(report) for report in self.migrations],
        }

    def _migration_as_dict(self, report: MigrationReport) -> dict[str, Any]:
        return {
            "app": report.migration.app_label,
            "name": report.migration.name,
            "stage": report.stage and report.stage.value,
            "backwards": report.backward,
            "when": report.when,
            "atomic": report.migration.atomic,
            "operations": [self._operation_as_dict(operation) for operation in report.operations],
        }

    def _operation_as_dict(self, report: OperationReport) -> dict[str, Any]:
        locks, reason = report.prediction
        data: dict[str, Any] = {"description": report.description, "locks": None}
        if locks is None:
            return {**data, "reason": reason}
        data["locks"] = [
            {"table": lock.table, "mode": lock.mode.sql, "blocks": lock.mode.blocks, **self._size_as_dict(lock.table)}
            for lock in locks
        ]
        return data

    def _size_as_dict(self, table: str | None) -> dict[str, int | None]:
        size = self.sizes.get(table or "")
        return {"bytes": size and size.bytes, "rows": size and size.rows}

    # For people

    def write(self, stdout: OutputWrapper, style: Style) -> None:
        """Print the plan, then what is left for the other side of the deployment."""
        stdout.write("Planned operations:", style.MIGRATE_LABEL)
        now = [report for report in self.migrations if report.when != "postponed"]
        if not now:
            stdout.write("  No planned migration operations.")
        for report in now:
            self._write_migration(report, stdout, style)
        postponed = [report for report in self.migrations if report.when == "postponed"]
        if postponed:
            stdout.write(postponed_heading(self.run), style.MIGRATE_HEADING)
        for report in postponed:
            self._write_migration(report, stdout, style, "  ")

    def _write_migration(self, report: MigrationReport, stdout: OutputWrapper, style: Style, indent: str = "") -> None:
        stdout.write(
            f"{indent}{'Revert ' if indent and report.backward else ''}{report.migration}", style.MIGRATE_HEADING
        )
        note = " (recorded now, its operations wait)" if report.when == "recorded" else ""
        stdout.write(f"{indent}    Stage: {stage_in_words(report.stage)}{note}")
        for operation in report.operations:
            stdout.write(f"{indent}    {operation.description}")
            for line in self._lines(operation.prediction):
                stdout.write(f"{indent}        {line}")

    def _lines(self, prediction: Prediction) -> Iterator[str]:
        if prediction.locks is None:
            if self.connection.vendor == "postgresql":
                yield f"Locks unknown: {prediction.reason}"
            return
        for lock in prediction.locks:
            table = lock.table or "whatever it works on"
            yield f"{lock.mode.sql} on {table}{self._size(lock.table)}: blocks {lock.mode.blocks}"

    def _size(self, table: str | None) -> str:
        size = self.sizes.get(table or "")
        return f" ({_readable(size.bytes)}, about {size.rows:,} rows)" if size else ""


def postponed_heading(run: StagedRun) -> str:
    """The line above what a run leaves for later."""
    if run.post_only:
        return "Left alone, for before a deployment:"
    return "Postponed until after the deployment:"


def _readable(size: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TB"
