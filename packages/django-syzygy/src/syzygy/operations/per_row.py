"""Values that differ from row to row, which no default of the database can give."""

from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.fields import FieldOperation
from django.db.migrations.state import ProjectState

from syzygy.constants import Stage

from .staged import StagedOperation

__all__ = ("FillField",)

_ROWS = 500  # each holds its locks until the next ones are read


class FillField(StagedOperation, FieldOperation):
    """Call `default` once for every row in which the field is NULL, a few hundred rows at a time.

    Rows that are filled already are left alone, so that the operation may be repeated after a failure.
    """

    __module__ = "syzygy.operations"

    standalone = True

    def __init__(self, model_name: str, name: str, default: Callable[[], Any], stage: Stage) -> None:
        self.default = default
        super().__init__(model_name, name, stage=stage)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:  # noqa: D102
        kwargs = {"model_name": self.model_name, "name": self.name, "default": self.default, "stage": self.stage}
        return type(self).__name__, [], kwargs

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Nothing."""

    def database_forwards(  # noqa: D102
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        alias = schema_editor.connection.alias
        if schema_editor.collect_sql or not self.allow_migrate_model(alias, model):
            return
        empty = model._base_manager.using(alias).filter(**{f"{self.name}__isnull": True}).order_by("pk")
        last: Any = None
        while True:
            rest = empty if last is None else empty.filter(pk__gt=last)
            last = self._fill(rest, alias)
            if last is None:
                return

    def _fill(self, rows: Any, alias: str) -> Any:
        """Fill the first few rows and return the key of the last, None if there are none."""
        with transaction.atomic(alias):
            found = list(rows.select_for_update().only("pk")[:_ROWS])
            for row in found:
                setattr(row, self.name, self.default())
            rows.model._base_manager.using(alias).bulk_update(found, [self.name])
        return found[-1].pk if found else None

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Nothing: the values go with the column."""

    def describe(self) -> str:  # noqa: D102
        return f"Give each row of {self.model_name} a value for {self.name}"

    @property
    def migration_name_fragment(self) -> str:
        """The operation's part in the name of a generated file."""
        return f"fill_{self.model_name_lower}_{self.name_lower}"
