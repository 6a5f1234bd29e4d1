"""Doing what one migration says: waiting only briefly for locks, and recording it in the same transaction."""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.state import ProjectState

from .locks import RetryPolicy
from .locks.guard import LockGuard
from .postgresql.sessions import end_with_client
from .progress import Progress
from .stepwise import Stepwise

__all__ = ("Applier", "Record")

Record: TypeAlias = Callable[[Migration], None]
"""Writes down that a migration is done or undone."""


class Applier:
    """Applies and reverts migrations of one database; `say` prints a line of progress.

    `state_before` returns the state that a migration begins with, made anew.
    """

    def __init__(
        self,
        connection: BaseDatabaseWrapper,
        progress: Progress,
        say: Callable[[str], None],
        state_before: Callable[[Migration], ProjectState],
    ) -> None:
        self.connection = connection
        self.progress = progress
        self.guard = LockGuard(connection, RetryPolicy.from_settings(), say)
        self.state_before = state_before

    def prepare(self) -> None:
        """Make the connection ready for the run."""
        end_with_client(self.connection)

    def apply(self, state: ProjectState, migration: Migration, record: Record) -> ProjectState:
        """Apply a migration, record it, and return the state after it."""
        if _applies_itself(migration):
            return self._as_django_does(lambda editor: migration.apply(state, editor), migration, record)
        if not self._is_one_transaction(migration):
            state = Stepwise(migration, self.guard, self.progress).forwards(state)
            record(migration)
            return state
        states = self._states(state, migration)
        return self._repeat(migration, lambda editor: migration.apply(next(states), editor), record)

    def unapply(self, state: ProjectState, migration: Migration, record: Record) -> ProjectState:
        """Revert a migration, record that, and return the state before it."""
        if _applies_itself(migration):
            return self._as_django_does(lambda editor: migration.unapply(state, editor), migration, record)
        if not self._is_one_transaction(migration):
            state = Stepwise(migration, self.guard, self.progress).backwards(state)
            record(migration)
            return state
        return self._repeat(migration, lambda editor: migration.unapply(state, editor), record)

    def _is_one_transaction(self, migration: Migration) -> bool:
        return migration.atomic and self.connection.features.can_rollback_ddl

    def _states(self, state: ProjectState, migration: Migration) -> Iterator[ProjectState]:
        """The given state, then others made anew: an attempt to apply leaves the state it was given changed."""
        yield state
        while True:
            yield self.state_before(migration)

    def _repeat(self, migration: Migration, work: Callable[[Any], ProjectState], record: Record) -> ProjectState:
        state: ProjectState = self.guard.repeat(lambda: self._at_once(migration, work, record), str(migration))
        return state

    def _at_once(self, migration: Migration, work: Callable[[Any], ProjectState], record: Record) -> ProjectState:
        with self.guard.watching(migration), self.connection.schema_editor(atomic=True) as editor:
            state = work(editor)
            _execute_deferred(editor)
            record(migration)
        return state

    def _as_django_does(
        self, work: Callable[[Any], ProjectState], migration: Migration, record: Record
    ) -> ProjectState:
        """A migration with an `apply` of its own: nothing is known about it that would let it be repeated."""
        with self.connection.schema_editor(atomic=migration.atomic) as editor:
            state = work(editor)
        record(migration)
        return state


def _applies_itself(migration: Migration) -> bool:
    kind = type(migration)
    return kind.apply is not Migration.apply or kind.unapply is not Migration.unapply


def _execute_deferred(editor: Any) -> None:
    """Run what the editor kept for the end, so that the record is the last statement of the transaction."""
    while editor.deferred_sql:
        editor.execute(editor.deferred_sql.pop(0), None)
