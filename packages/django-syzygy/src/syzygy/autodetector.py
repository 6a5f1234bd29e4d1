"""An autodetector whose changes are divided by the deployment."""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

from django.core.management.color import Style
from django.db import models
from django.db.migrations import operations
from django.db.migrations.graph import MigrationGraph
from django.db.migrations.operations.base import Operation
from django.db.migrations.questioner import MigrationQuestioner
from django.db.migrations.state import ProjectState
from django.db.migrations.utils import resolve_relation

from .compat import OperationDependency
from .constants import Stage
from .database_names import name_in_use
from .division import STAGE_SPLIT, OperationStage, StageDependency, StagedOperationDependency
from .eligibility import type_change_obstacle
from .exceptions import AmbiguousStage
from .online_changes import online_twin
from .operations import (
    AlterField,
    DropForeignKeys,
    FillField,
    SetDatabaseDefault,
    get_post_add_field_operation,
    get_pre_add_field_operation,
    get_pre_remove_field_operation,
)
from .operations.field_defaults import AnyField, get_database_default, get_row_default, is_constrained_reference, varies
from .plan import partition_operations
from .questions import StageQuestions
from .staged_renames import StagedRenames
from .standalone import stand_alone
from .targets import vendors

__all__ = (
    "STAGE_SPLIT",
    "MigrationAutodetector",
    "OperationStage",
    "StageDependency",
    "StagedOperationDependency",
)


class MigrationAutodetector(StagedRenames):
    """Django's autodetector, writing what an overlap of old and new code needs into separate migrations.

    Each app's operations are divided by `partition_operations`; those that cannot be part of a transaction get
    migrations of their own.
    """

    old_model_keys: set[tuple[str, str]]
    new_model_keys: set[tuple[str, str]]

    def __init__(
        self,
        from_state: ProjectState,
        to_state: ProjectState,
        questioner: MigrationQuestioner | None = None,
        style: Style | None = None,
        allow_type_changes: bool = False,
    ) -> None:
        super().__init__(from_state, to_state, questioner)
        self.questions = StageQuestions(self.questioner, style, allow_type_changes)
        self._post_operations, self._rename_stages = {}, {}

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
        elif type(operation) is operations.AlterField:
            operation = self._staged_alteration(app_label, operation)
        elif type(operation) is operations.AlterUniqueTogether:
            dependencies = [*(dependencies or ()), *_additions_before(app_label, operation)]
        super().add_operation(app_label, operation, dependencies, beginning)

    def _staged_alteration(self, app_label: str, operation: operations.AlterField) -> Operation:
        old_field = self._old_field(app_label, operation.model_name_lower, operation.name)
        if old_field is None:
            return operation
        stage = Stage.POST_DEPLOY if _tightens(old_field, operation.field) else Stage.PRE_DEPLOY
        if reason := type_change_obstacle(app_label, old_field, operation.field):
            chosen = self.questions.type_change_stage(operation.model_name, operation.name, reason)
            stage = Stage.POST_DEPLOY if Stage.POST_DEPLOY in {stage, chosen} else Stage.PRE_DEPLOY
        return AlterField.for_stage(operation, stage) if stage is Stage.POST_DEPLOY else operation

    def _old_field(self, app_label: str, model_name: str, name: str) -> Any:
        old_name = self.renamed_fields.get((app_label, model_name, name), name)
        return self._old_model(app_label, model_name).fields.get(old_name)

    def _generate_added_field(self, app_label: str, model_name: str, field_name: str) -> None:
        field = self.to_state.models[app_label, model_name].get_field(field_name)
        with self.questions.called_for_each_row() if varies(field) else nullcontext():
            super()._generate_added_field(app_label, model_name, field_name)  # type: ignore[misc]
        addition = self.generated_operations[app_label][-1]
        if varies(addition.field):
            self._add_row_by_row(app_label, addition)
        elif get_database_default(addition.field) is not None:
            arguments = (model_name, field_name, addition.field, addition.preserve_default)
            self._replace_last(app_label, get_pre_add_field_operation(*arguments))
            self._after(app_label, get_post_add_field_operation(*arguments))

    def _replace_last(self, app_label: str, operation: Any) -> None:
        generated = self.generated_operations[app_label]
        operation._auto_deps = generated[-1]._auto_deps  # noqa: SLF001
        generated[-1] = operation

    def _add_row_by_row(self, app_label: str, addition: Any) -> None:
        """Let the column be NULL until each row has a value of its own, those that old code still writes included."""
        names = (addition.model_name, addition.name)
        empty = addition.field.clone()
        empty.null, empty.default = True, models.NOT_PROVIDED
        self._replace_last(app_label, operations.AddField(*names, empty))
        created: Any = OperationDependency(app_label, *names, OperationDependency.Type.CREATE)
        each_row = get_row_default(addition.field)
        if each_row is not None:
            super().add_operation(app_label, SetDatabaseDefault(*names, each_row), [created])
        fill = FillField(*names, each_row or addition.field.default, Stage.PRE_DEPLOY)
        super().add_operation(app_label, fill, [created])
        final = get_post_add_field_operation(*names, addition.field)
        if each_row is None:
            self._after(app_label, FillField(*names, addition.field.default, Stage.POST_DEPLOY))
            final = AlterField(*names, addition.field, Stage.POST_DEPLOY)
        self._after(app_label, online_twin(final, empty) if "postgresql" in vendors(app_label) else final)

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
        if field.many_to_many:
            self._release(app_label, model_name, field_name, field)
            return False
        if field.generated or field.primary_key or (field.has_db_default() and not is_constrained_reference(field)):
            return False
        if get_database_default(field) is None and not field.has_db_default():
            if field.null and not is_constrained_reference(field):
                return False
            if not field.null:
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

    def generate_deleted_models(self) -> None:
        """Let new code delete rows that the rows of a model refer to which it does not know any more."""
        deleted = self.old_model_keys - self.new_model_keys
        for app_label, model_name in sorted(deleted):
            for name, field in self.from_state.models[app_label, model_name].fields.items():
                if (
                    field.remote_field
                    and resolve_relation(field.remote_field.model, app_label, model_name) not in deleted
                ):
                    self._release(app_label, model_name, name, field)
        super().generate_deleted_models()

    def _release(self, app_label: str, model_name: str, name: str, field: AnyField) -> None:
        if not vendors(app_label) <= {"sqlite"} and _has_constraint(field):
            super().add_operation(app_label, DropForeignKeys(model_name, name))

    # How the generated operations are divided

    def _detect_changes(
        self, convert_apps: set[str] | None = None, graph: MigrationGraph | None = None
    ) -> dict[str, list[Any]]:
        self._post_operations, self._rename_stages = {}, {}
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

    def _optimize_migrations(self) -> None:
        super()._optimize_migrations()  # type: ignore[misc]
        renamed: dict[tuple[str, str], tuple[str, str]] = {}
        for app_label, app_migrations in self.migrations.items():
            if "postgresql" in vendors(app_label):
                for migration in app_migrations:
                    migration.operations = [self._online(app_label, o) for o in migration.operations]
            self.migrations[app_label], last_names = stand_alone(app_migrations)
            renamed |= {(app_label, name): (app_label, last) for name, last in last_names.items()}
        for migration in self._all_migrations():
            migration.dependencies = [renamed.get(d, d) for d in migration.dependencies]

    def _online(self, app_label: str, operation: Any) -> Operation:
        """On a table that exists already and may be large, take the operation's online twin."""
        model_name = str(getattr(operation, "model_name", None) or getattr(operation, "name", ""))
        if (app_label, model_name.lower()) not in self.old_model_keys:
            return operation  # type: ignore[no-any-return]
        altered = isinstance(operation, operations.AlterField)
        old_field = self._old_field(app_label, model_name.lower(), operation.name) if altered else None
        return online_twin(operation, old_field)

    def _divide(self, app_label: str) -> None:
        generated = self.generated_operations[app_label]
        try:
            before, after = partition_operations(generated, app_label)
        except AmbiguousStage:
            self.questions.accept_ambiguity(app_label, generated)
            return
        if reason := self._name_in_use(app_label, before, after):
            self.questions.accept_ambiguity(app_label, generated, reason)
            return
        self.generated_operations[app_label] = [*before, *after]
        if before and after:
            self._separate(app_label, before[-1], after[0])

    def _name_in_use(self, app_label: str, before: list[Operation], after: list[Operation]) -> str | None:
        """Say which name something gets before the deployment that something else has until after it."""
        state = self.from_state.clone()
        for operation in before if after else ():
            taken = (name_in_use(operation, app_label, waiting, app_label, state) for waiting in after)
            if reason := next(filter(None, taken), None):
                return reason
            operation.state_forwards(app_label, state)
        return None


def _tightens(old_field: AnyField, new_field: AnyField) -> bool:
    """Whether old code, which may leave the column out or write NULL, fails after the alteration."""
    if old_field.many_to_many or new_field.many_to_many or new_field.generated:
        return False
    loses_default = old_field.has_db_default() and not new_field.has_db_default()
    return (old_field.null and not new_field.null) or loses_default


def _additions_before(app_label: str, operation: operations.AlterUniqueTogether) -> Iterator[Any]:
    """The fields that are unique together come first, which Django does not see to where they replace others."""
    for name in sorted({name for names in operation.option_value or () for name in names}):
        yield OperationDependency(app_label, operation.name_lower, name, OperationDependency.Type.CREATE)


def _has_constraint(field: AnyField) -> bool:
    """Whether rows of the field keep those from being deleted that they refer to."""
    if field.many_to_many:
        return field.remote_field.through is None and field.remote_field.db_constraint  # type: ignore[union-attr]
    return is_constrained_reference(field)
