"""Filling a column of a large table while the application works on it."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.management import CommandError
from django.db import models, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from syzygy.checkpoints import Checkpoint, current_step
from syzygy.constants import Stage
from syzygy.stages import parse_stage

__all__ = ("Backfill",)

REPORT_INTERVAL = 5  # seconds between two lines of progress


class Backfill(Operation):
    """Set fields of many rows in batches, each a transaction of its own.

    `values` maps field names to a constant, an expression such as `F("price") * F("quantity")`, or a function that is
    called with each row and returns its value. `where` is a `Q` that chooses the rows. A batch has at most
    `batch_size` rows, and fewer once one took longer than `lock_seconds`, for that is how long its rows stay locked;
    `pause` seconds lie between two batches. `stage` is the side of the deployment, before it unless given.

    The migration has to be `atomic = False`. A run that was killed goes on behind the last batch that it finished,
    and no row is changed twice. Rows are taken in the order of the primary key, so that those which are added
    meanwhile with higher keys are filled too. Reverting does nothing.
    """

    __module__ = "syzygy.operations"

    reduces_to_sql = False
    reversible = True

    def __init__(
        self,
        model_name: str,
        values: Mapping[str, Any],
        where: models.Q | None = None,
        batch_size: int = 1000,
        pause: float = 0.0,
        lock_seconds: float = 0.5,
        stage: Stage | None = None,
    ) -> None:
        if not values:
            raise ValueError("A backfill needs `values`, a mapping of field names to what they are set to.")
        if batch_size < 1 or pause < 0 or lock_seconds <= 0:
            raise ValueError(
                "A backfill needs a batch_size of at least 1, a pause of 0 or more and lock_seconds above 0."
            )
        self.model_name = model_name
        self.values = dict(values)
        self.where = where
        self.batch_size = batch_size
        self.pause = pause
        self.lock_seconds = lock_seconds
        self.stage = None if stage is None else parse_stage(stage, "Backfill.stage")

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:  # noqa: D102
        kwargs: dict[str, Any] = {"model_name": self.model_name, "values": self.values}
        defaults = {"where": None, "batch_size": 1000, "pause": 0.0, "lock_seconds": 0.5, "stage": None}
        kwargs |= {name: getattr(self, name) for name, default in defaults.items() if getattr(self, name) != default}
        return type(self).__name__, [], kwargs

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Nothing: only rows change."""

    def database_forwards(  # noqa: D102
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        alias = schema_editor.connection.alias
        if not self.allow_migrate_model(alias, model):
            return
        filling = _Filling(self, model, alias, current_step())
        if not schema_editor.atomic_migration:
            filling.run()
        elif filling.has_rows():  # A squashed migration has just made the table.
            raise CommandError(
                f"{self.describe()} works in batches, each committed by itself. Set `atomic = False` on its migration."
            )

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Nothing: what the rows held before is not known."""

    def references_model(self, name: str, app_label: str) -> bool:
        """Whether the rows are those of the model."""
        return name.lower() == self.model_name.lower()

    def describe(self) -> str:  # noqa: D102
        return f"Backfill {', '.join(self.values)} of {self.model_name}"

    @property
    def migration_name_fragment(self) -> str:
        """The operation's part in the name of a migration file."""
        return f"backfill_{self.model_name.lower()}_{'_'.join(self.values)}"


@dataclass
class _Filling:
    """One run of a backfill, from where an earlier one stopped."""

    operation: Backfill
    model: Any
    alias: str
    checkpoint: Checkpoint | None

    def __post_init__(self) -> None:
        stored = self.checkpoint.load() if self.checkpoint is not None else None
        self.last: str | list[str] | None
        self.rows: int
        self.last, self.rows = json.loads(stored) if stored else (None, 0)
        self.size = self.operation.batch_size
        self.longest = 0.0
        self.per_row = {name: value for name, value in self.operation.values.items() if _is_function(value)}
        self.at_once = {name: value for name, value in self.operation.values.items() if name not in self.per_row}

    def has_rows(self) -> bool:
        """Whether there is anything left to fill."""
        return bool(self._chosen().exists())

    def run(self) -> None:
        """Fill batch after batch."""
        started = reported = time.monotonic()
        rows_before = self.rows
        while (end := self._end_of_batch()) is not None:
            self._fill(end)
            now = time.monotonic()
            if now - reported >= REPORT_INTERVAL:
                reported = now
                self._report((self.rows - rows_before) / (now - started))
            time.sleep(self.operation.pause)
        self._report((self.rows - rows_before) / max(time.monotonic() - started, 0.001))

    def _chosen(self) -> Any:
        rows = self.model._base_manager.using(self.alias).order_by("pk")
        if self.operation.where is not None:
            rows = rows.filter(self.operation.where)
        return rows if self.last is None else rows.filter(pk__gt=self._last_key())

    def _last_key(self) -> Any:
        key = self.model._meta.pk
        if isinstance(self.last, list):
            return tuple(field.to_python(part) for field, part in zip(key.fields, self.last, strict=True))
        return key.to_python(self.last)

    def _end_of_batch(self) -> Any:
        """The key of the batch's last row, None if there is no row left; found before anything is locked."""
        keys = self._chosen().values_list("pk", flat=True)
        full = list(keys[self.size - 1 : self.size])
        return full[0] if full else keys.last()

    def _fill(self, end: Any) -> None:
        started = time.monotonic()
        with transaction.atomic(self.alias):
            batch = self._chosen().filter(pk__lte=end)
            self.rows += self._fill_rows(batch) if self.per_row else batch.order_by().update(**self.at_once)
            self.last = [str(part) for part in end] if isinstance(end, tuple) else str(end)
            if self.checkpoint is not None:
                self.checkpoint.save(json.dumps([self.last, self.rows]))
        self._adapt(time.monotonic() - started)

    def _fill_rows(self, batch: Any) -> int:
        rows = list(batch.select_for_update())
        for row in rows:
            for name, value in self.per_row.items():
                setattr(row, name, value(row))
            for name, value in self.at_once.items():
                setattr(row, name, value)
        self.model._base_manager.using(self.alias).bulk_update(rows, list(self.operation.values))
        return len(rows)

    def _adapt(self, seconds: float) -> None:
        """Make batches smaller that lock their rows for too long, and larger again when there is room."""
        self.longest = max(self.longest, seconds)
        if seconds > self.operation.lock_seconds:
            self.size = max(1, self.size // 2)
        elif seconds < self.operation.lock_seconds / 4:
            self.size = min(self.operation.batch_size, self.size * 2)

    def _report(self, rate: float) -> None:
        if self.checkpoint is not None:
            self.checkpoint.say(
                f"{self.operation.describe()}: {self.rows:,} rows, {rate:,.0f} rows/s, "
                f"rows were locked for at most {self.longest * 1000:.0f} ms"
            )


def _is_function(value: Any) -> bool:
    return isinstance(value, Callable) and not hasattr(value, "resolve_expression")  # type: ignore[arg-type]
