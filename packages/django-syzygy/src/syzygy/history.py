"""What the migrations on record have really done, while the operations of some of them wait.

Django takes the schema for what the files of the applied migrations say. Where some wait it is another: what waits has
not been done, and what was written on top of it may have done something else than its file says.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.core.management import CommandError
from django.db.migrations import Migration
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from .plan import Plan
from .progress import MigrationKey
from .replay import Overtaken, Replay

__all__ = ("History",)


class History:
    """The migrations on record; `waiting` are those whose operations are put off.

    `everything` returns all migrations of the graph in an order in which they can run.
    """

    def __init__(self, loader: Any, waiting: list[MigrationKey], everything: Callable[[], Plan]) -> None:
        self.loader = loader
        self.waiting = waiting
        self.everything = everything
        for key in waiting:
            self.node(key)
        # While states are real: what migrations have in their files, and what those that wait have become.
        self._written: dict[MigrationKey, Sequence[Operation]] = {}
        self.later: dict[MigrationKey, Sequence[Operation]] = {}
        self._depth = 0

    def node(self, key: MigrationKey) -> Migration:
        """Return a migration by its name. Raises `CommandError` if its file is gone."""
        if key not in self.loader.graph.nodes:
            raise CommandError(
                f"{'.'.join(key)} is recorded as applied, but its operations were put off until after a deployment, "
                "and its file is gone. Restore the file and run migrate before removing or squashing it."
            )
        node: Migration = self.loader.graph.nodes[key]
        return node

    # Replaying

    def replayed(self) -> Replay:
        """Follow the migrations on record as they really ran."""
        try:
            return self.replayed_without((), ())
        except Overtaken as overtaken:
            raise CommandError(
                f"{overtaken.migration} was applied while the operations of {overtaken.waiting} waited, but as their "
                "files are now it needs them. Restore the files as they were and run migrate before changing them."
            ) from overtaken

    def replayed_without(self, undone: Collection[MigrationKey], gone: Collection[MigrationKey]) -> Replay:
        """The same as if the operations of `undone` waited too, and `gone` were not on record.

        Raises `Overtaken` where something that stays needs what is undone.
        """
        replay = Replay(ProjectState(real_apps=self.loader.unmigrated_apps))
        for migration, _ in self.everything():
            key = (migration.app_label, migration.name)
            if key not in self.loader.applied_migrations or key in gone:
                continue
            if key in self.waiting or key in undone:
                replay.put_off(migration)
            else:
                replay.run(migration)
        return replay

    # Real states

    @contextmanager
    def real_states(self, replay: Replay | None = None) -> Iterator[None]:
        """Let every migration do what it does while some wait: each state is then the one the schema is in."""
        if not self._depth:
            self.arrange(replay)
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth:
                self._restore()

    def arrange(self, replay: Replay | None = None) -> None:
        """Give the migrations the operations that they have now; again whenever `waiting` has changed."""
        self._restore()
        if replay is None and self.waiting:
            replay = self.replayed()
        if replay is not None:
            self.later = replay.later
            for key, operations in {**replay.now, **dict.fromkeys(replay.later, ())}.items():
                self._written[key] = self.node(key).operations
                _set_operations(self.node(key), operations)

    def _restore(self) -> None:
        for key, operations in self._written.items():
            _set_operations(self.node(key), operations)
        self._written, self.later = {}, {}

    @contextmanager
    def doing(self, migration: Migration, operations: Sequence[Operation]) -> Iterator[None]:
        """Give one migration other operations for a while."""
        arranged = migration.operations
        _set_operations(migration, operations)
        try:
            yield
        finally:
            _set_operations(migration, arranged)


def _set_operations(migration: Migration, operations: Sequence[Operation]) -> None:
    """Let a migration do something else than what is in its file."""
    vars(migration)["operations"] = operations
