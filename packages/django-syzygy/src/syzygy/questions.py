"""What `makemigrations` asks when a change cannot be staged without knowing the deployment.

Nothing is asked of a questioner that is not interactive, or in a dry run: `questioner.defaults` answers there.
"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import OutputWrapper
from django.core.management.color import Style, no_style
from django.db import models
from django.db.migrations.operations.base import Operation
from django.db.migrations.questioner import InteractiveMigrationQuestioner, MigrationQuestioner

from .constants import Stage

__all__ = ("StageQuestions",)

_QUIT, _IN_STEP = 1, 4
_STAGE_CHOICES = {2: Stage.PRE_DEPLOY, 3: Stage.POST_DEPLOY}


class StageQuestions:
    """Asks the questions of one run; choosing to quit ends the process with status 3, as Django's own do."""

    def __init__(
        self, questioner: MigrationQuestioner, style: Style | None = None, allow_type_changes: bool = False
    ) -> None:
        self.questioner = questioner
        self.style = style or no_style()
        self.allow_type_changes = allow_type_changes

    @property
    def interactive(self) -> bool:
        """Whether there is somebody to ask."""
        return isinstance(self.questioner, InteractiveMigrationQuestioner) and not self.questioner.dry_run

    def rename_field_stage(
        self, model_name: str, old_name: str, new_name: str, obstacle: str | None = None
    ) -> Stage | None:
        """Ask in which stage a column is renamed, `None` for both: two columns kept in step in between.

        `obstacle` says why that cannot be offered. `defaults["ask_rename_field_stage"]` is 1 (quit), 2, 3 or 4 (in
        step), which is also the default where nothing is in its way.
        """
        return self._rename_stage(
            "ask_rename_field_stage",
            f"Renaming column {model_name}.{old_name} while code that uses it is running causes errors.",
            f"Quit; {model_name}.{new_name} will be added as a new field and filled from {model_name}.{old_name}",
            obstacle,
        )

    def rename_model_stage(
        self, app_label: str, new_name: str, old_table: str, obstacle: str | None = None
    ) -> Stage | None:
        """Ask in which stage a table is renamed; as `rename_field_stage`, by `defaults["ask_rename_model_stage"]`."""
        return self._rename_stage(
            "ask_rename_model_stage",
            f"Renaming table {old_table} while code that uses it is running causes errors.",
            f'Quit; {app_label}.{new_name}.Meta.db_table will be set to "{old_table}" so that the table stays',
            obstacle,
        )

    def type_change_stage(self, model_name: str, field_name: str, reason: str) -> Stage:
        """Ask whether to change a type although nobody can use the table meanwhile.

        `defaults["ask_type_change"]` is 1 (quit, the default), 2 (before the deployment) or 3 (after it).
        """
        explanation = (
            f"{model_name}.{field_name} cannot change its type while the site is running: {reason}. Without "
            f"interruption: add a field of the new type, let the code write both, fill the new one in batches, and "
            f"remove {field_name} in a later release."
        )
        if self.allow_type_changes:
            return Stage.PRE_DEPLOY
        choice = self.questioner.defaults.get("ask_type_change", _QUIT)
        if self.interactive:
            self._warn(explanation)
            choice = self._choose(
                "Please select what to do:",
                [
                    "Quit",
                    "Change it before the deployment; the table is small, or the site is down",
                    "Change it after the deployment, likewise",
                ],
            )
        elif choice not in _STAGE_CHOICES:
            self._warn(f"{explanation} To change it all the same, run makemigrations --allow-type-changes.")
        return self._stage_or_quit(choice)

    def remove_default(self, model_name: str, field_name: str) -> Any:
        """Ask what the database puts into a column while new code no longer fills it.

        Returns a value, or `NOT_PROVIDED` for a column that becomes nullable.
        """
        if not self.interactive:
            return self.questioner.defaults.get("ask_remove_default", models.NOT_PROVIDED)
        choice = self._choose(
            f"Until old code is gone, new code inserts rows without {model_name}.{field_name}, which is required "
            "and has no default. Please select what the database does with such rows:",
            [
                "Give them a value, which you provide now",
                "Allow NULL in the column until it is removed",
                "Quit; a default or null=True will be set in models.py first",
            ],
        )
        if choice == 1:
            return self.questioner._ask_default()  # type: ignore[attr-defined] # noqa: SLF001
        if choice != 2:
            sys.exit(3)
        return models.NOT_PROVIDED

    @contextmanager
    def called_for_each_row(self) -> Iterator[None]:
        """Keep Django from asking about a unique field whose default it would call once for all rows."""
        questioner: Any = self.questioner
        ask = questioner.ask_unique_callable_default_addition
        questioner.ask_unique_callable_default_addition = lambda *_: None
        try:
            yield
        finally:
            questioner.ask_unique_callable_default_addition = ask

    def accept_ambiguity(self, app_label: str, operations: Iterable[Operation], reason: str = "") -> None:
        """Say that an app's operations cannot be told apart, and why, and ask whether to write them all the same."""
        self._warn(
            f'The changes detected in app "{app_label}" cannot be divided into those before and those after the '
            "deployment:\n"
            + "\n".join([*(f"- {operation.describe()}" for operation in operations), *filter(None, [reason])])
        )
        if not self.interactive:
            if self.questioner.defaults.get("ask_ambiguous_abort", False):
                sys.exit(3)
            return
        choice = self._choose(
            "",
            [
                "Write the migrations; you will divide them by hand and give each one a stage",
                "Quit; fewer changes will be made to the models at once",
            ],
        )
        if choice == 2:
            sys.exit(3)

    def _rename_stage(self, key: str, warning: str, quit_choice: str, obstacle: str | None) -> Stage | None:
        if self.interactive:
            choice = self._chosen_rename(warning, quit_choice, obstacle)
        else:
            choice = self.questioner.defaults.get(key, _QUIT if obstacle else _IN_STEP)
            if choice not in _STAGE_CHOICES and (obstacle or choice != _IN_STEP):
                self._warn(
                    f"{warning} Nobody can be asked in which stage to do it: run makemigrations interactively, or "
                    f"keep the name in the database with db_column or db_table.{_not_in_step(obstacle)}"
                )
        if choice == _IN_STEP and not obstacle:
            return None
        return self._stage_or_quit(choice)

    def _chosen_rename(self, warning: str, quit_choice: str, obstacle: str | None) -> int:
        self._warn(warning + _not_in_step(obstacle))
        assumption = self.style.MIGRATE_LABEL("fails for the duration of the deployment if it is not so")
        choices = [
            quit_choice,
            f"Before the deployment, as the running code does not use it ({assumption})",
            f"After the deployment, as the new code does not use it yet ({assumption})",
        ]
        if not obstacle:
            choices.append("Both names work during the deployment, the database keeps them in step")
        return self._choose("Please select when to rename:", choices)

    def _stage_or_quit(self, choice: int) -> Stage:
        if choice not in _STAGE_CHOICES:
            sys.exit(3)
        return _STAGE_CHOICES[choice]

    def _choose(self, question: str, choices: list[str]) -> int:
        choice: int = self.questioner._choice_input(question, choices)  # type: ignore[attr-defined] # noqa: SLF001
        return choice

    def _warn(self, text: str) -> None:
        OutputWrapper(sys.stderr).write(self.style.WARNING(text))


def _not_in_step(obstacle: str | None) -> str:
    return f" Both names cannot be kept in step: {obstacle}." if obstacle else ""
