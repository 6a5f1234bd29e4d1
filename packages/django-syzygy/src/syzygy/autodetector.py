"""An autodetector whose changes are divided by the deployment."""

from typing import Any, NamedTuple

from django.core.management.color import Style
from django.db import models
from django.db.migrations import Migration, operations
from django.db.migrations.autodetector import MigrationAutodetector as DjangoMigrationAutodetector
from django.db.migrations.graph import MigrationGraph
from django.db.migrations.operations.base import Operation
from django.db.migrations.questioner import MigrationQuestioner
from django.db.migrations.state import ModelState, ProjectState

from .compat import OperationDependency
from .constants import Stage
from .exceptions import AmbiguousStage
from .operations import (
    AlterField,
    RenameField,
    RenameModel,
    get_post_add_field_operation,
    get_pre_add_field_operation,
    get_pre_remove_field_operation,
)
from .operations.field_defaults import AnyField, get_database_default
from .plan import get_operation_stage, partition_operations
from .questions import StageQuestions

__all__ = (
    "STAGE_SPLIT",
    "MigrationAutodetector",
    "OperationStage",
    "StageDependency",
    "StagedOperationDependency",
)

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


class MigrationAutodetector(DjangoMigrationAutodetector):
    """Django's autodetector, writing what an overlap of old and new code needs into separate migrations.

    Each app's operations are divided by `partition_operations`. Between the two halves stands a placeholder in an
    app of its own (`__stage__` and the label) that needs the first half and is needed by the second; Django's own
    builder then has to start a new migration there, and the placeholders are dropped.
    """

    generated_operations: dict[str, list[Any]]
    migrations: dict[str, list[Any]]
    renamed_fields: dict[tuple[str, str, str], str]
    renamed_models: dict[tuple[str, str], str]

    def __init__(
        self,
        from_state: ProjectState,
        to_state: ProjectState,
        questioner: MigrationQuestioner | None = None,
        style: Style | None = None,
    ) -> None:
        super().__init__(from_state, to_state, questioner)
        self.questions = StageQuestions(self.questioner, style)
        self._post_operations: dict[str, list[Operation]] = {}

    # What is generated for one change

    def add_operation(  # type: ignore[override]
        self,
        app_label: str,
        operation: Operation,
        dependencies: list[Any] | None = None,
        beginning: bool = False,
    ) -> None:
        """Stage the operations that Django generates without one."""
        if type(operation) is operations.RenameField:
            operation = self._staged_field_rename(app_label, operation)
        elif type(operation) is operations.RenameModel:
            operation = self._staged_model_rename(app_label, operation)
        elif type(operation) is operations.AlterField and self._tightens(app_label, operation):
            operation = AlterField.for_stage(operation, Stage.POST_DEPLOY)
        super().add_operation(app_label, operation, dependencies, beginning)

    def _staged_field_rename(self, app_label: str, operation: operations.RenameField) -> Operation:
        model_name = operation.model_name_lower
        old_field = self._old_model(app_label, model_name).get_field(operation.old_name)
        new_field = self.to_state.models[app_label, model_name].get_field(operation.new_name)
        old_column = _column(old_field, operation.old_name)
        if old_column is not None and old_column == _column(new_field, operation.new_name):
            return operation
        stage = self.questions.rename_field_stage(model_name, operation.old_name, operation.new_name)
        return RenameField.for_stage(operation, stage)

    def _staged_model_rename(self, app_label: str, operation: operations.RenameModel) -> Operation:
        old_table = _table(self.from_state.models[app_label, operation.old_name_lower])
        if old_table == _table(self.to_state.models[app_label, operation.new_name_lower]):
            return operation
        stage = self.questions.rename_model_stage(app_label, operation.new_name, old_table)
        return RenameModel.for_stage(operation, stage)

    def _tightens(self, app_label: str, operation: operations.AlterField) -> bool:
        """Whether old code, which may leave the column out or write NULL, fails after the alteration."""
        model_name = operation.model_name_lower
        old_name = self.renamed_fields.get((app_label, model_name, operation.name), operation.name)
        old_field = self._old_model(app_label, model_name).fields.get(old_name)
        new_field = operation.field
        if old_field is None or old_field.many_to_many or new_field.many_to_many or new_field.generated:
            return False
        loses_default = old_field.has_db_default() and not new_field.has_db_default()
        return (old_field.null and not new_field.null) or loses_default

    def _old_model(self, app_label: str, model_name: str) -> ModelState:
        old_name = self.renamed_models.get((app_label, model_name), model_name)
        model: ModelState = self.from_state.models[app_label, old_name]
        return model

    def _generate_added_field(self, app_label: str, model_name: str, field_name: str) -> None:
        super()._generate_added_field(app_label, model_name, field_name)  # type: ignore[misc]
        addition = self.generated_operations[app_label][-1]
        if get_database_default(addition.field) is None:
            return
        arguments = (model_name, field_name, addition.field, addition.preserve_default)
        before = get_pre_add_field_operation(*arguments)
        before._auto_deps = addition._auto_deps  # type: ignore[attr-defined] # noqa: SLF001
        self.generated_operations[app_label][-1] = before
        self._post_operations.setdefault(app_label, []).append(get_post_add_field_operation(*arguments))

    def _generate_removed_field(self, app_label: str, model_name: str, field_name: str) -> None:
        field = self._old_model(app_label, model_name).get_field(field_name)
        eased = self._ease_removal(app_label, model_name, field_name, field)
        super()._generate_removed_field(app_label, model_name, field_name)  # type: ignore[misc]
        if eased:
            removal = self.generated_operations[app_label][-1]
            alteration = OperationDependency.Type.ALTER
            removal._auto_deps.append(OperationDependency(app_label, model_name, field_name, alteration))  # noqa: SLF001

    def _ease_removal(self, app_label: str, model_name: str, field_name: str, field: AnyField) -> bool:
        """Let rows be inserted without a field that is about to go; False if they can be already."""
        if field.many_to_many or field.generated or field.has_db_default() or field.primary_key:
            return False
        if get_database_default(field) is None:
            if field.null:
                return False
            field = self._with_chosen_default(model_name, field_name, field)
        operation = get_pre_remove_field_operation(model_name, field_name, field)
        super().add_operation(app_label, operation)
        return True

    def _with_chosen_default(self, model_name: str, field_name: str, field: AnyField) -> AnyField:
        default = self.questions.remove_default(model_name, field_name)
        if default is not models.NOT_PROVIDED:
            field = field.clone()
            field.default = default
        return field

    # How the generated operations are divided

    def _detect_changes(
        self, convert_apps: set[str] | None = None, graph: MigrationGraph | None = None
    ) -> dict[str, list[Any]]:
        self._post_operations = {}
        changes: dict[str, list[Any]] = super()._detect_changes(convert_apps, graph)  # type: ignore[misc]
        return changes

    def _build_migration_list(self, graph: MigrationGraph | None = None) -> None:
        for app_label, post_operations in self._post_operations.items():
            for operation in post_operations:
                super().add_operation(app_label, operation)
        for app_label in list(self.generated_operations):
            self._divide(app_label)
        super()._build_migration_list(graph)  # type: ignore[misc]
        self._drop_placeholders()
        self._bring_dependencies_forward(graph)

    def _divide(self, app_label: str) -> None:
        generated = self.generated_operations[app_label]
        try:
            before, after = partition_operations(generated, app_label)
        except AmbiguousStage:
            self.questions.accept_ambiguity(app_label, generated)
            return
        self.generated_operations[app_label] = [*before, *after]
        if before and after:
            self._separate(app_label, before[-1], after[0])

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
        for migration in (migration for app in self.migrations.values() for migration in app):
            migration.dependencies = [d for d in migration.dependencies if not d[0].startswith(STAGE_SPLIT)]

    def _bring_dependencies_forward(self, graph: MigrationGraph | None) -> None:
        """Let nothing before the deployment depend on what comes after it, unless it really does.

        Django's builder makes a migration depend on the last one of another app, whichever it needs.
        """
        for migration in (migration for app in self.migrations.values() for migration in app):
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


def _column(field: AnyField, name: str) -> str | None:
    """The column a field of a model state has, which is not bound to its name yet; None for many-to-many."""
    field = field.clone()
    field.set_attributes_from_name(name)
    column: str | None = field.get_attname_column()[1]
    return None if field.many_to_many else column


def _table(model_state: ModelState) -> str:
    table: str | None = model_state.options.get("db_table")
    return table or f"{model_state.app_label}_{model_state.name_lower}"
