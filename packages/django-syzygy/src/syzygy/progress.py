"""What a migration that is not one transaction has done so far, and which destructive parts still wait.

Both live in one small table of the migrated database, in the same transaction as what they speak of. It is made when
it is first needed and dropped when a run leaves nothing in it, so that a finished deployment has Django's own schema.
"""

from functools import lru_cache
from typing import Any, TypeAlias

from django.apps.registry import Apps
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ("TABLE", "MigrationKey", "Progress")

MigrationKey: TypeAlias = tuple[str, str]

TABLE = "syzygy_progress"
"""The table's name."""
_DEFERRED = "deferred"


@lru_cache(maxsize=1)
def _model() -> Any:
    """The table as a model of a registry of its own: Django's other parts do not see it."""

    class Step(models.Model):  # noqa: DJ008 - never shown
        app = models.CharField(max_length=255)
        name = models.CharField(max_length=255)
        step = models.CharField(max_length=255)
        state = models.TextField()

        class Meta:
            apps = Apps()
            app_label = "syzygy"
            db_table = TABLE

    return Step


class Progress:
    """The steps of unfinished migrations of one database, each with a short text of its own."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection
        self._known: bool | None = None

    @property
    def exists(self) -> bool:
        """Whether there is a table at all; looked up once."""
        if self._known is None:
            with self.connection.cursor() as cursor:
                self._known = TABLE in self.connection.introspection.table_names(cursor)
        return self._known

    def ensure(self) -> None:
        """Make the table. Not inside a transaction that may be rolled back."""
        if not self.exists:
            with self.connection.schema_editor() as editor:
                editor.create_model(_model())
            self._known = True

    def drop_if_empty(self) -> None:
        """Leave no trace once everything is finished."""
        if self.exists and not self._rows().exists():
            with self.connection.schema_editor() as editor:
                editor.delete_model(_model())
            self._known = False

    def _rows(self) -> Any:
        return _model().objects.using(self.connection.alias)

    def _of(self, key: MigrationKey) -> Any:
        return self._rows().filter(app=key[0], name=key[1])

    def steps(self, key: MigrationKey) -> dict[str, str]:
        """Return every step of a migration that was noted, and its state."""
        return dict(self._of(key).values_list("step", "state")) if self.exists else {}

    def note(self, key: MigrationKey, step: str, state: str) -> None:
        """Remember a step's state."""
        if not self._of(key).filter(step=step).update(state=state):
            self._rows().create(app=key[0], name=key[1], step=step, state=state)

    def forget_step(self, key: MigrationKey, step: str) -> None:
        """Take one note back."""
        self._of(key).filter(step=step).delete()

    def forget(self, key: MigrationKey) -> None:
        """Forget all about a migration: it is finished."""
        if self.exists:
            self._of(key).delete()

    # Migrations that are recorded as applied, and whose operations still wait

    def deferred(self) -> list[MigrationKey]:
        """Return the migrations whose operations wait until after the deployment, in the order they were put off."""
        if not self.exists:
            return []
        return list(self._rows().filter(step=_DEFERRED).order_by("pk").values_list("app", "name"))

    def begun(self) -> list[MigrationKey]:
        """Return those of them that a run has begun with since, and not finished."""
        return [key for key in self.deferred() if len(self.steps(key)) > 1]

    def defer(self, key: MigrationKey) -> None:
        """Put a migration's operations off."""
        self.note(key, _DEFERRED, "waiting")
