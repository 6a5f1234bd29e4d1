"""Detecting renames: who reads and writes the old name meanwhile decides what is written."""

import copy
from collections.abc import Iterator
from typing import Any

from django.db.migrations import operations
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ModelState, ProjectState

from .constants import Stage
from .database_names import column_of, table_of
from .division import DividedMigrations
from .eligibility import field_rename_obstacle, model_rename_obstacle
from .operations import (
    ContractRenameField,
    ContractRenameModel,
    ExpandRenameField,
    ExpandRenameModel,
    RenameField,
    RenameModel,
)
from .operations.field_defaults import AnyField
from .questions import StageQuestions
from .rewriting import renamed_options

__all__ = ("StagedRenames",)


class StagedRenames(DividedMigrations):
    """Mixin for the autodetector: both names are there meanwhile, or the one is renamed on the side that is chosen."""

    from_state: ProjectState
    to_state: ProjectState
    renamed_fields: dict[tuple[str, str, str], str]
    renamed_models: dict[tuple[str, str], str]
    questions: StageQuestions
    _post_operations: dict[str, list[Operation]]
    # By app label, model and new name; `None` for both names in step.
    _rename_stages: dict[tuple[str, str, str], Stage | None]

    def _after(self, app_label: str, *post_operations: Operation) -> None:
        self._post_operations.setdefault(app_label, []).extend(post_operations)

    def _old_model(self, app_label: str, model_name: str) -> ModelState:
        old_name = self.renamed_models.get((app_label, model_name), model_name)
        model: ModelState = self.from_state.models[app_label, old_name]
        return model

    def create_renamed_fields(self) -> None:
        """Ask at once how the fields are renamed: their indexes and constraints may come along."""
        super().create_renamed_fields()
        for (app_label, model_name, new_name), old_name in self.renamed_fields.items():
            old_model = self._old_model(app_label, model_name)
            new_field = self.to_state.models[app_label, model_name].get_field(new_name)
            if _keeps_column(old_model.get_field(old_name), old_name, new_field, new_name):
                continue
            obstacle = field_rename_obstacle(self.from_state, old_model, old_name)
            stage = self.questions.rename_field_stage(model_name, old_name, new_name, obstacle)
            self._rename_stages[app_label, model_name, new_name] = stage
            if stage is None:
                self._rename_in_options(old_model, old_name, new_name)

    def _rename_in_options(self, model_state: ModelState, old_name: str, new_name: str) -> None:
        """What `ExpandRenameField` does to the state, so that Django sees no difference left."""
        model_state = model_state.clone()
        model_state.options = renamed_options(model_state.options, old_name, new_name)
        self.from_state = copy.copy(self.from_state)  # the caller's stays as it is
        key = (model_state.app_label, model_state.name_lower)
        self.from_state.models = {**self.from_state.models, key: model_state}

    def _get_altered_foo_together_operations(self, option_name: str) -> Iterator[Any]:
        """Leave out what a renaming does to unique fields: Django would drop and add their constraint around it."""
        for change in super()._get_altered_foo_together_operations(option_name):  # type: ignore[misc]
            _, new_value, app_label, model_name, *_ = change
            renamed = {
                old_name: new_name
                for (label, model, new_name), old_name in self.renamed_fields.items()
                if (label, model) == (app_label, model_name) and self._is_expanded(label, model, new_name)
            }
            before = self._old_model(app_label, model_name).options.get(option_name) or ()
            if not renamed or {tuple(renamed.get(n, n) for n in names) for names in before} != new_value:
                yield change

    def _is_expanded(self, app_label: str, model_name: str, new_name: str) -> bool:
        return self._rename_stages.get((app_label, model_name, new_name), Stage.PRE_DEPLOY) is None

    def _staged_field_rename(self, app_label: str, operation: operations.RenameField) -> Operation:
        key = (app_label, operation.model_name_lower, operation.new_name)
        if key not in self._rename_stages:
            return operation
        stage = self._rename_stages[key]
        if stage is not None:
            return RenameField.for_stage(operation, stage)
        names = (operation.model_name, operation.old_name, operation.new_name)
        self._after(app_label, ContractRenameField(*names))
        return ExpandRenameField(*names)

    def _staged_model_rename(self, app_label: str, operation: operations.RenameModel) -> Operation:
        old_model = self.from_state.models[app_label, operation.old_name_lower]
        new_model = self.to_state.models[app_label, operation.new_name_lower]
        if table_of(old_model) == table_of(new_model):
            return operation
        obstacle = model_rename_obstacle(self.from_state, old_model, new_model)
        stage = self.questions.rename_model_stage(app_label, operation.new_name, table_of(old_model), obstacle)
        if stage is not None:
            return RenameModel.for_stage(operation, stage)
        self._after(app_label, ContractRenameModel(operation.old_name, operation.new_name))
        return ExpandRenameModel(operation.old_name, operation.new_name)


def _keeps_column(old_field: AnyField, old_name: str, new_field: AnyField, new_name: str) -> bool:
    old_column = column_of(old_field, old_name)
    return old_column is not None and old_column == column_of(new_field, new_name)
