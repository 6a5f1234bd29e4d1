"""The order in which migrations really run while some wait: what each of them does then, and the schema's state.

A migration that waits is on record without having done anything. Those that were written on top of it run on the
schema as it is without it, and it runs on what they have made of that schema.
"""

from collections.abc import Sequence
from typing import NamedTuple

from django.db.migrations import Migration
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from .database_names import name_in_use
from .overtaking import exchange
from .progress import MigrationKey

__all__ = ("Overtaken", "Replay")


class Overtaken(Exception):  # noqa: N818 - not an error by itself
    """A migration cannot run before `waiting`; `reason` is a sentence for people, where there is more to say."""

    def __init__(self, migration: Migration, waiting: Migration, reason: str | None = None) -> None:
        super().__init__(f"{migration} cannot run before {waiting}")
        self.reason = reason
        self.migration = migration
        self.waiting = waiting


class _Pending(NamedTuple):
    migration: Migration
    operation: Operation


class Replay:
    """Follows migrations in the order of their dependencies.

    `state` is the one the schema is in, `intended` the one it would be in had nothing been put off. `now` tells what
    those migrations do that run otherwise than they are written.
    """

    def __init__(self, state: ProjectState) -> None:
        self.state = self.intended = state
        self.now: dict[MigrationKey, Sequence[Operation]] = {}
        self._waiting: dict[MigrationKey, Migration] = {}
        self._pending: list[_Pending] = []

    @property
    def later(self) -> dict[MigrationKey, Sequence[Operation]]:
        """What those that wait have to do, in the order in which they were put off."""
        return {
            key: [operation for waiting, operation in self._pending if waiting is migration]
            for key, migration in self._waiting.items()
        }

    def put_off(self, migration: Migration) -> None:
        """Let a migration wait."""
        if not self._waiting:
            self.intended = self.state.clone()
        self._waiting[migration.app_label, migration.name] = migration
        self._pending += [_Pending(migration, operation) for operation in migration.operations]
        _apply(migration.operations, migration.app_label, self.intended)

    def run(self, migration: Migration) -> None:
        """Run a migration. Raises `Overtaken` if it cannot run before one that waits."""
        if not self._waiting:
            _apply(migration.operations, migration.app_label, self.state)
            return
        key, app_label = (migration.app_label, migration.name), migration.app_label
        done = [self._run_first(operation, migration) for operation in migration.operations]
        if done != migration.operations:
            self.now[key] = done
        _apply(migration.operations, app_label, self.intended)
        # In the end everything has to be as if nothing had waited.
        if self._state_before(len(self._pending)) != self.intended:
            raise Overtaken(migration, self._pending[-1].migration)

    def _run_first(self, operation: Operation, migration: Migration) -> Operation:
        """Take an operation past all that waits, the last first, and run it."""
        for index in reversed(range(len(self._pending))):
            overtaken, waiting = self._pending[index]
            state, label = self._state_before(index), overtaken.app_label
            if reason := name_in_use(operation, migration.app_label, waiting, label, state):
                raise Overtaken(migration, overtaken, reason)
            exchanged = exchange(operation, waiting, label, state)
            if exchanged is None:
                raise Overtaken(migration, overtaken)
            operation = exchanged.first
            self._pending[index] = _Pending(overtaken, exchanged.then)
        operation.state_forwards(migration.app_label, self.state)
        return operation

    def _state_before(self, index: int) -> ProjectState:
        state = self.state.clone()
        for migration, operation in self._pending[:index]:
            operation.state_forwards(migration.app_label, state)
        return state


def _apply(operations: Sequence[Operation], app_label: str, state: ProjectState) -> None:
    for operation in operations:
        operation.state_forwards(app_label, state)
