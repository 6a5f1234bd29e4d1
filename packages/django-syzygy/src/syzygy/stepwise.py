"""Migrations that are not one transaction, run step by step so that they can go on where they stopped.

A step is an operation. Where Django's own operation may run in a transaction it does, together with the note that it
is done; where it may not, such as a concurrent index, or anything on a database without transactions for DDL, each of
its statements is noted. A run that was killed leaves out what is noted.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha1
from typing import Any, NamedTuple

from django.core.management import CommandError
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import Migration, RunSQL
from django.db.migrations.exceptions import IrreversibleError
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.migrations.writer import OperationWriter

from .checkpoints import Checkpoint, running
from .locks.guard import LockGuard, StatementJournal
from .locks.opaque import is_opaque
from .locks.unfinished import is_already_done
from .progress import TABLE, MigrationKey, Progress
from .repeating import RepeatableDrops

__all__ = ("Stepwise",)

_FINISHED = "finished:"
_TRANSACTIONAL = ("django.db.migrations.operations.fields", "django.db.migrations.operations.models")


class _Step(NamedTuple):
    name: str
    operation: Operation
    run: Callable[[BaseDatabaseSchemaEditor], None]

    @property
    def is_transactional(self) -> bool:
        """Whether the SQL comes from one of Django's operations that fit in a transaction."""
        return type(self.operation).database_forwards.__module__ in _TRANSACTIONAL

    @property
    def finished(self) -> str:
        """The state that is noted: it tells whether the file was changed since."""
        return f"{_FINISHED}{_fingerprint(self.operation)}"


class Stepwise:
    """Runs the operations of one migration outside a common transaction."""

    def __init__(self, migration: Migration, guard: LockGuard, progress: Progress) -> None:
        self.migration = migration
        self.guard = guard
        self.progress = progress
        self.key: MigrationKey = (migration.app_label, migration.name)

    @property
    def connection(self) -> BaseDatabaseWrapper:
        """The connection that is migrated."""
        return self.guard.connection

    def forwards(self, state: ProjectState) -> ProjectState:
        """Apply what is not applied yet, and return the state after it."""
        app_label = self.migration.app_label

        def steps() -> Iterator[_Step]:
            for index, operation in enumerate(self.migration.operations):
                before = state.clone()
                operation.state_forwards(app_label, state)

                def run(
                    editor: BaseDatabaseSchemaEditor, operation: Any = operation, before: ProjectState = before
                ) -> None:
                    operation.database_forwards(app_label, editor, before, state)

                yield _Step(_name("forwards", index, operation), operation, run)

        self._run("forwards", steps())
        return state

    def backwards(self, state: ProjectState) -> ProjectState:
        """Revert what is not reverted yet; `state` is the one before the migration."""
        app_label = self.migration.app_label
        steps: list[_Step] = []
        after = state
        for index, operation in enumerate(self.migration.operations):
            if not operation.reversible:
                raise IrreversibleError(f"Operation {operation} in {self.migration} is not reversible")
            before, after = after.clone(), after.clone()
            operation.state_forwards(app_label, after)

            def run(
                editor: BaseDatabaseSchemaEditor,
                operation: Any = operation,
                before: ProjectState = before,
                after: ProjectState = after,
            ) -> None:
                operation.database_backwards(app_label, editor, after, before)

            steps.insert(0, _Step(_name("backwards", index, operation), operation, run))
        self._run("backwards", iter(steps))
        return state

    def _run(self, direction: str, steps: Iterator[_Step]) -> None:
        self.progress.ensure()
        done = self.progress.steps(self.key)
        self._refuse_changed_file(direction, done)
        with self._editor() as editor:
            for step in steps:
                if step.name not in done:
                    self.guard.repeat(partial(self._attempt, step, editor, done), str(self.migration))

    def _editor(self) -> BaseDatabaseSchemaEditor:
        kind: Any = self.connection.SchemaEditorClass
        if not self._rolls_back:
            kind = type("RepeatingSchemaEditor", (RepeatableDrops, kind), {})
        editor: BaseDatabaseSchemaEditor = kind(self.connection, atomic=False)
        return editor

    def _refuse_changed_file(self, direction: str, done: dict[str, str]) -> None:
        """What is done would be left out although the file now says something else. Raises `CommandError`."""
        expected = {
            _name(direction, index, operation): f"{_FINISHED}{_fingerprint(operation)}"
            for index, operation in enumerate(self.migration.operations)
        }
        for name, state in done.items():
            if name.startswith(f"{direction}:") and state.startswith(_FINISHED) and expected.get(name) != state:
                raise CommandError(self._refusal(name.split(":", 3)[3]))

    def _refusal(self, description: str) -> str:
        app_label, name = self.key
        return (
            f"{self.migration} was changed after a part of it had been done: {description!r}. Restore the file, run "
            "migrate, and put the change into a migration of its own. Or undo by hand what was done, and delete the "
            f"rows of the table {TABLE} whose app is {app_label!r} and whose name is {name!r}."
        )

    def _attempt(self, step: _Step, editor: BaseDatabaseSchemaEditor, done: dict[str, str]) -> None:
        editor.deferred_sql.clear()  # of an attempt that was rolled back
        with self.guard.watching(self.migration):
            if self._is_one_transaction(step):
                with transaction.atomic(self.connection.alias):
                    self._execute(step, editor)
                    self.progress.note(self.key, step.name, step.finished)
                return
            with self._journaled(step, done), running(self._checkpoint(step)):
                self._execute(step, editor)
        self.progress.note(self.key, step.name, step.finished)

    def _is_one_transaction(self, step: _Step) -> bool:
        if step.is_transactional and self._rolls_back:
            return True
        # As Django decides it.
        return bool(step.operation.atomic or (self.migration.atomic and step.operation.atomic is not False))

    @property
    def _rolls_back(self) -> bool:
        return bool(self.connection.features.can_rollback_ddl)

    def _execute(self, step: _Step, editor: BaseDatabaseSchemaEditor) -> None:
        step.run(editor)
        while editor.deferred_sql:
            editor.execute(editor.deferred_sql.pop(0), None)

    @contextmanager
    def _journaled(self, step: _Step, done: dict[str, str]) -> Iterator[None]:
        """Note the statements of Django's operations one by one.

        Foreign code may look first and then not run the same statements again. Ours can be run again as they are,
        but where they are Django's, on a database without transactions for DDL.
        """
        is_djangos = type(step.operation).__module__.startswith("django.") or not self._rolls_back
        if is_djangos and step.operation.reduces_to_sql and not is_opaque(step.operation):
            self.guard.journal = self._journal(step, done)
        try:
            yield
        finally:
            self.guard.journal = None

    def _journal(self, step: _Step, done: dict[str, str]) -> StatementJournal:
        seen: Counter[str] = Counter()
        names: dict[str, str] = {}

        def is_done(statement: str) -> bool:
            digest = sha1(statement.encode(), usedforsecurity=False).hexdigest()
            name = names[statement] = f"{step.name[:180]}:{digest}:{seen[digest]}"
            seen[digest] += 1
            state = done.get(name)
            return state == "done" or (state == "begun" and is_already_done(self.connection, statement))

        def note(statement: str, state: str) -> None:
            done[names[statement]] = state
            self.progress.note(self.key, names[statement], state)

        def forget(statement: str) -> None:
            del done[names[statement]]
            self.progress.forget_step(self.key, names[statement])

        return StatementJournal(
            is_done=is_done,
            was_begun=lambda statement: done.get(names[statement]) == "begun",
            begin=lambda statement: note(statement, "begun"),
            finish=lambda statement: note(statement, "done"),
            forget=forget,
            rows=isinstance(step.operation, RunSQL),
        )

    def _checkpoint(self, step: _Step) -> Checkpoint:
        name = f"{step.name}:state"
        return Checkpoint(
            load=lambda: self.progress.steps(self.key).get(name),
            save=lambda state: self.progress.note(self.key, name, state),
            say=self.guard.say,
        )


def _fingerprint(operation: Operation) -> str:
    try:
        source, _ = OperationWriter(operation).serialize()
    except Exception:  # noqa: BLE001 - operations with code, such as a lambda, cannot be written
        source = operation.describe()
    return sha1(source.encode(), usedforsecurity=False).hexdigest()


def _name(direction: str, index: int, operation: Operation) -> str:
    return f"{direction}:{index}:{type(operation).__name__}:{operation.describe()}"[:190]
