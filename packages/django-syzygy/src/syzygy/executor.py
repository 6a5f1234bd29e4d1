"""A migration executor for deployments, and how `migrate` is made to use it.

It plans one side of a deployment, waits only briefly for locks, records what it did in the same transaction, and keeps
the list of what waits until after the deployment.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from django.core.management import CommandError
from django.core.management.commands import migrate as django_migrate
from django.db import Error, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from .constants import Stage
from .deferral import Division, divide_plan
from .exceptions import AmbiguousPlan, AmbiguousStage, InvalidStage
from .locks import RetryPolicy
from .locks.guard import LockGuard
from .plan import Plan, get_post_deploy_plan
from .progress import MigrationKey, Progress
from .replay import Overtaken, Replay
from .stepwise import Stepwise

__all__ = ("StagedMigrationExecutor", "StagedRun", "staged_run")


@dataclass
class StagedRun:
    """One run of `migrate`: what it was asked for, and what the executor made of it.

    `post_only` leaves alone what is meant for before the deployment. Of `plan`, the migrations in `deferred` are
    recorded now and their operations put off; `replay` tells what is done otherwise than it is written.
    `check_holder` is called before each migration and raises if this process may no longer migrate; `say` prints a
    line of progress.
    """

    stage: Stage = Stage.POST_DEPLOY
    post_only: bool = False
    plan: Plan = field(default_factory=list)
    postponed: Plan = field(default_factory=list)
    deferred: set[MigrationKey] = field(default_factory=set)
    replay: Replay | None = None
    executor: "StagedMigrationExecutor | None" = None
    check_holder: Callable[[], None] = lambda: None
    say: Callable[[str], None] = lambda _: None

    def divide(self, plan: Plan, applied: Callable[[], Replay], waiting: Sequence[MigrationKey]) -> Division:
        """Cut Django's plan for this run. Raises `CommandError` where it cannot be cut."""
        try:
            if self.stage is Stage.PRE_DEPLOY:
                return divide_plan(plan, applied, waiting)
            now = get_post_deploy_plan(plan) if self.post_only else plan
        except (AmbiguousPlan, AmbiguousStage, InvalidStage) as error:
            raise CommandError(str(error)) from error
        return Division.leaving(plan, now)


_current_run: ContextVar[StagedRun | None] = ContextVar("syzygy_staged_run", default=None)


class StagedMigrationExecutor(MigrationExecutor):
    """Django's executor for the current `StagedRun`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.run = _current_run.get() or StagedRun()
        self.run.executor = self
        self.progress = Progress(self.connection)
        self.guard = LockGuard(self.connection, RetryPolicy.from_settings(), self.run.say)
        # Those whose operations wait, in the order in which they were put off.
        self._waiting: list[MigrationKey] = self.progress.deferred()
        for key in self._waiting:
            self._node(key)
        # While something runs: what migrations have in their files, and what those that wait have become.
        self._written: dict[MigrationKey, Sequence[Operation]] = {}
        self._later: dict[MigrationKey, Sequence[Operation]] = {}
        self._depth = 0

    def _node(self, key: MigrationKey) -> Migration:
        if key not in self.loader.graph.nodes:
            raise CommandError(
                f"{'.'.join(key)} is recorded as applied, but its operations were put off until after a deployment, "
                "and its file is gone. Restore the file and run migrate before removing or squashing it."
            )
        node: Migration = self.loader.graph.nodes[key]
        return node

    @contextmanager
    def _real_states(self, replay: Replay | None = None) -> Iterator[None]:
        """Let every migration do what it does while some wait: each state is then the one the schema is in."""
        if not self._depth:
            self._arrange(replay)
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth:
                self._restore()

    def _arrange(self, replay: Replay | None = None) -> None:
        self._restore()
        if replay is None and self._waiting:
            replay = self._replay_applied()
        if replay is not None:
            self._later = replay.later
            for key, operations in {**replay.now, **dict.fromkeys(replay.later, ())}.items():
                self._written[key] = self._node(key).operations
                _set_operations(self._node(key), operations)

    def _restore(self) -> None:
        for key, operations in self._written.items():
            _set_operations(self._node(key), operations)
        self._written, self._later = {}, {}

    def _replay_applied(self) -> Replay:
        replay = Replay(ProjectState(real_apps=self.loader.unmigrated_apps))
        for migration, _ in super().migration_plan(self.loader.graph.leaf_nodes(), clean_start=True):
            key = _key(migration)
            if key in self._waiting:
                replay.put_off(migration)
            elif key in self.loader.applied_migrations:
                self._run_again(replay, migration)
        return replay

    def _run_again(self, replay: Replay, migration: Migration) -> None:
        try:
            replay.run(migration)
        except Overtaken as overtaken:
            raise CommandError(
                f"{migration} was applied while the operations of {overtaken.waiting} waited, but as their files are "
                "now it needs them. Restore the files as they were and run migrate before changing them."
            ) from overtaken

    def operations_of(self, migration: Migration) -> Sequence[Operation]:
        """Return what a migration of the plan does, which may differ from its file while others wait."""
        replay, key = self.run.replay, _key(migration)
        if replay is None:
            return migration.operations
        return replay.later[key] if key in self._waiting else replay.now.get(key, migration.operations)

    def _create_project_state(self, with_applied_migrations: bool = False) -> ProjectState:
        with self._real_states():
            state: ProjectState = super()._create_project_state(  # type: ignore[misc]  # Django's own, and private
                with_applied_migrations=with_applied_migrations
            )
        return state

    # Planning

    def migration_plan(self, targets: Any, clean_start: bool = False) -> Plan:
        """Return Django's plan, of it only the part that this run is about.

        With `clean_start` Django asks for the order of all migrations, whether or not they run: untouched.
        """
        plan: Plan = super().migration_plan(targets, clean_start=clean_start)
        if clean_start:
            return plan
        run = self.run
        if run.stage is not Stage.PRE_DEPLOY:
            plan = [*self._due(targets, plan), *plan]
        division = run.divide(plan, self._replay_applied, self._waiting)
        run.plan, run.deferred, run.replay = division.now, division.deferred, division.replay
        if run.replay is None and self._waiting:
            run.replay = self._replay_applied()
        # Django calls itself once more where a squashed migration is the target: keep what the inner call found.
        run.postponed = division.postponed or run.postponed
        return run.plan

    def _due(self, targets: Any, plan: Plan) -> Plan:
        """The waiting migrations that the targets include, in the order in which they were put off."""
        nothing_is_due = any(backward for _, backward in plan) or any(name is None for _, name in targets)
        if nothing_is_due or not self._waiting:
            return []
        wanted = {key for target in targets for key in self.loader.graph.forwards_plan(target)}
        planned = {_key(migration) for migration, _ in plan}
        return [(self._node(key), False) for key in self._waiting if key in wanted and key not in planned]

    # Running

    def migrate(
        self,
        targets: Any,
        plan: Any = None,
        state: ProjectState | None = None,
        fake: bool = False,
        fake_initial: bool = False,
    ) -> ProjectState:
        """Run the plan; see Django's method."""
        _end_with_client(self.connection)
        if self.run.deferred and not fake:
            self.progress.ensure()
        with self._real_states(self.run.replay):
            state = super().migrate(targets, plan=plan, state=state, fake=fake, fake_initial=fake_initial)
        self.progress.drop_if_empty()
        return state

    def apply_migration(
        self, state: ProjectState, migration: Migration, fake: bool = False, fake_initial: bool = False
    ) -> ProjectState:
        """Apply a migration, or put its operations off, or catch up on them."""
        self.run.check_holder()
        self._report("apply_start", migration, fake)
        key = _key(migration)
        if not fake and fake_initial:
            fake, state = self.detect_soft_applied(state, migration)
        if fake:
            self._record(migration)
        elif key in self._waiting:
            state = self._caught_up(state, migration)
        elif self.run.deferred and self._later.get(key):
            self._defer(migration)
        else:
            state = self._applied(state, migration)
        self.loader.applied_migrations[key] = migration
        self._report("apply_success", migration, fake)
        return state

    def _report(self, action: str, migration: Migration, fake: bool) -> None:
        if self.progress_callback:
            self.progress_callback(action, migration, fake)

    def _defer(self, migration: Migration) -> None:
        key = _key(migration)
        with transaction.atomic(self.connection.alias, savepoint=False):
            self._note_as_applied(migration)
            self.progress.defer(key)
        self._waiting.append(key)
        self.run.say(f"recorded; the operations of {migration} wait until after the deployment")

    def _caught_up(self, state: ProjectState, migration: Migration) -> ProjectState:
        key = _key(migration)
        _set_operations(migration, self._later[key])
        try:
            state = self._applied(state, migration)
        finally:
            _set_operations(migration, ())
        self._waiting.remove(key)
        self._arrange()
        return state

    def _applied(self, state: ProjectState, migration: Migration) -> ProjectState:
        if _applies_itself(migration):
            return self._as_django_does(lambda editor: migration.apply(state, editor), migration, self._record)
        if not self._is_one_transaction(migration):
            state = Stepwise(migration, self.guard, self.progress).forwards(state)
            self._record(migration)
            return state
        states = self._states(state, migration)
        applied: ProjectState = self.guard.repeat(lambda: self._apply_at_once(next(states), migration), str(migration))
        return applied

    def _is_one_transaction(self, migration: Migration) -> bool:
        return migration.atomic and self.connection.features.can_rollback_ddl

    def _states(self, state: ProjectState, migration: Migration) -> Iterator[ProjectState]:
        """The given state, then copies of it made anew: an attempt leaves the state it was given changed."""
        yield state
        while True:
            # One that was only recorded before the deployment is on record; its operations are what is to be tried.
            operations = migration.operations
            _set_operations(migration, [])
            fresh = self._create_project_state(with_applied_migrations=True)
            _set_operations(migration, operations)
            fresh.apps  # noqa: B018 - rendered once, as Django does before it applies anything
            yield fresh

    def _apply_at_once(self, state: ProjectState, migration: Migration) -> ProjectState:
        with self.guard.watching(migration), self.connection.schema_editor(atomic=True) as editor:
            state = migration.apply(state, editor)
            _execute_deferred(editor)
            self._record(migration)
        return state

    def _as_django_does(
        self, work: Callable[[Any], ProjectState], migration: Migration, record: Callable[[Migration], None]
    ) -> ProjectState:
        """A migration with an `apply` of its own: nothing is known about it that would let it be repeated."""
        with self.connection.schema_editor(atomic=migration.atomic) as editor:
            state = work(editor)
        record(migration)
        return state

    def _record(self, migration: Migration) -> None:
        with transaction.atomic(self.connection.alias, savepoint=False):
            if _key(migration) not in self.loader.applied_migrations:
                self._note_as_applied(migration)
            self.progress.forget(_key(migration))

    def _note_as_applied(self, migration: Migration) -> None:
        for app_label, name in migration.replaces or [_key(migration)]:
            self.recorder.record_applied(app_label, name)

    # Reverting

    def unapply_migration(self, state: ProjectState, migration: Migration, fake: bool = False) -> ProjectState:
        """Revert a migration; of one whose operations never ran, only the record."""
        self.run.check_holder()
        self._report("unapply_start", migration, fake)
        if fake or _key(migration) in self._waiting:
            self._unrecord(migration)
        else:
            state = self._unapplied(state, migration)
        if _key(migration) in self._waiting:
            self._waiting.remove(_key(migration))
        self.loader.applied_migrations.pop(_key(migration), None)
        self._report("unapply_success", migration, fake)
        return state

    def _unapplied(self, state: ProjectState, migration: Migration) -> ProjectState:
        if _applies_itself(migration):
            return self._as_django_does(lambda editor: migration.unapply(state, editor), migration, self._unrecord)
        if not self._is_one_transaction(migration):
            state = Stepwise(migration, self.guard, self.progress).backwards(state)
            self._unrecord(migration)
            return state
        reverted: ProjectState = self.guard.repeat(lambda: self._unapply_at_once(state, migration), str(migration))
        return reverted

    def _unapply_at_once(self, state: ProjectState, migration: Migration) -> ProjectState:
        with self.guard.watching(migration), self.connection.schema_editor(atomic=True) as editor:
            state = migration.unapply(state, editor)
            _execute_deferred(editor)
            self._unrecord(migration)
        return state

    def _unrecord(self, migration: Migration) -> None:
        with transaction.atomic(self.connection.alias, savepoint=False):
            for app_label, name in (*migration.replaces, _key(migration)):
                self.recorder.record_unapplied(app_label, name)
            self.progress.forget(_key(migration))


def _set_operations(migration: Migration, operations: Sequence[Operation]) -> None:
    vars(migration)["operations"] = operations


def _key(migration: Migration) -> MigrationKey:
    return migration.app_label, migration.name


def _end_with_client(connection: BaseDatabaseWrapper) -> None:
    """Have PostgreSQL 14 and later end a long statement soon after the process that asked for it is gone."""
    if connection.vendor != "postgresql" or connection.in_atomic_block:
        return
    with suppress(Error), connection.cursor() as cursor:  # servers on some systems cannot
        if connection.pg_version >= 140000:  # type: ignore[attr-defined]
            cursor.execute("SET client_connection_check_interval = '1s'")


def _applies_itself(migration: Migration) -> bool:
    kind = type(migration)
    return kind.apply is not Migration.apply or kind.unapply is not Migration.unapply


def _execute_deferred(editor: Any) -> None:
    """Run what the editor kept for the end, so that the record is the last statement of the transaction."""
    while editor.deferred_sql:
        editor.execute(editor.deferred_sql.pop(0), None)


_installed = threading.Lock()
_users = 0


@contextmanager
def staged_run(stage: Stage, post_only: bool = False) -> Iterator[StagedRun]:
    """Make Django's `migrate`, called in this context, use `StagedMigrationExecutor`.

    Django's command names its executor by a global of its module. The global is replaced while anybody needs it;
    what the replacement does depends on the calling context alone, so threads do not disturb each other.
    """
    run = StagedRun(stage, post_only)
    token = _current_run.set(run)
    _install(1)
    try:
        yield run
    finally:
        _install(-1)
        _current_run.reset(token)


def _install(change: int) -> None:
    global _users  # noqa: PLW0603
    with _installed:
        _users += change
        executor = StagedMigrationExecutor if _users else MigrationExecutor
        django_migrate.MigrationExecutor = executor  # type: ignore[attr-defined]
