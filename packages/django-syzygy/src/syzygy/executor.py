"""A migration executor for deployments, and how `migrate` is made to use it.

It plans one side of a deployment, keeps the list of what waits until after it, and hands each migration to
`applying.Applier`.
"""

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.core.management import CommandError
from django.core.management.commands import migrate as django_migrate
from django.db import transaction
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from .constants import Stage
from .deferral import Division, divide_plan
from .exceptions import AmbiguousPlan, AmbiguousStage, InvalidStage
from .history import History
from .plan import Plan, get_post_deploy_plan
from .progress import MigrationKey, Progress
from .replay import Replay

# What does the work is not loaded by a run that finds nothing to do.
if TYPE_CHECKING:
    from .applying import Applier

__all__ = ("StagedMigrationExecutor", "StagedRun", "staged_run")


@dataclass
class StagedRun:
    """One run of `migrate`: what it was asked for, and what the executor made of it.

    `post_only` leaves alone what is meant for before the deployment. Of `plan`, the migrations in `deferred` are
    on record afterwards and their operations wait; `replay` tells what is done otherwise than it is written.
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

    def divide(self, plan: Plan, replayed: Callable[..., Replay], waiting: Sequence[MigrationKey]) -> Division:
        """Cut Django's plan for this run. Raises `CommandError` where it cannot be cut."""
        try:
            if self.stage is Stage.PRE_DEPLOY:
                return divide_plan(plan, replayed, waiting)
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
        self.history = History(
            self.loader,
            self.progress.deferred(),
            lambda: super(StagedMigrationExecutor, self).migration_plan(
                self.loader.graph.leaf_nodes(), clean_start=True
            ),
        )

    @cached_property
    def _applier(self) -> "Applier":
        from .applying import Applier

        return Applier(self.connection, self.progress, self.run.say, self._state_before)

    def _state_before(self, migration: Migration) -> ProjectState:
        """The state that a migration begins with, made anew."""
        # One that was only recorded before the deployment is on record; its operations are what is to be tried.
        with self.history.doing(migration, ()):
            state = self._create_project_state(with_applied_migrations=True)
        state.apps  # noqa: B018 - rendered once, as Django does before it applies anything
        return state

    @property
    def _waiting(self) -> list[MigrationKey]:
        return self.history.waiting

    def operations_of(self, migration: Migration) -> Sequence[Operation]:
        """Return what a migration of the plan does, which may differ from its file while others wait."""
        replay, key = self.run.replay, _key(migration)
        if replay is None:
            return migration.operations
        return replay.later[key] if key in replay.later else replay.now.get(key, migration.operations)

    def _create_project_state(self, with_applied_migrations: bool = False) -> ProjectState:
        with self.history.real_states():
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
        division = run.divide(plan, self._replayed, self._waiting)
        self._refuse_to_leave_half_done(division.now)
        run.plan, run.deferred, run.replay = division.now, division.deferred, division.replay
        if run.replay is None and self._waiting:
            run.replay = self.history.replayed()
        # Django calls itself once more where a squashed migration is the target: keep what the inner call found.
        run.postponed = division.postponed or run.postponed
        return run.plan

    def _due(self, targets: Any, plan: Plan) -> Plan:
        """The waiting migrations that the targets include, in their order in the history."""
        nothing_is_due = any(backward for _, backward in plan) or any(name is None for _, name in targets)
        if nothing_is_due or not self._waiting:
            return []
        wanted = {key for target in targets for key in self.loader.graph.forwards_plan(target)}
        planned = {_key(migration) for migration, _ in plan}
        due = (key for key in self.history.replayed().later if key in wanted and key not in planned)
        return [(self.history.node(key), False) for key in due]

    def _refuse_to_leave_half_done(self, plan: Plan) -> None:
        """Raises `CommandError` for a plan that takes for not begun what a run has begun with that did not end."""
        reverted = {_key(migration) for migration, backward in plan if backward}
        goes_ahead = self.run.stage is Stage.PRE_DEPLOY and len(reverted) < len(plan)
        for key in self.progress.begun() if self._waiting and plan else ():
            if goes_ahead or key in reverted:
                raise CommandError(
                    f"The operations of {'.'.join(key)}, which were put off until after a deployment, were begun by a "
                    "run that did not end. Finish them first: run migrate --post-deploy."
                )

    def _replayed(self, undone: Collection[MigrationKey] = (), gone: Collection[MigrationKey] = ()) -> Replay:
        return self.history.replayed_without(undone, gone) if undone else self.history.replayed()

    def _replay_of_run(self) -> Replay | None:
        """What to begin with. A revert begins with what is there, and undoes migrations under others one by one."""
        return None if any(backward for _, backward in self.run.plan) else self.run.replay

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
        if plan is None:
            plan = self.migration_plan(targets)
        if plan:
            self._applier.prepare()
        if self.run.deferred:
            self.progress.ensure()
        with self.history.real_states(self._replay_of_run()):
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
        elif self.run.deferred and self.history.later.get(key):
            self._defer(migration)
        else:
            state = self._applier.apply(state, migration, self._record)
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
        with self.history.doing(migration, self.history.later[key]):
            state = self._applier.apply(state, migration, self._record)
        self._waiting.remove(key)
        self.history.arrange()
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
        """Revert a migration; of one whose operations never ran, only the record; of one under others, all but that."""
        self.run.check_holder()
        self._report("unapply_start", migration, fake)
        key = _key(migration)
        if key in self.run.deferred:
            self._undo_under_others(migration, fake)
        else:
            if fake or key in self._waiting:
                self._unrecord(migration)
            else:
                state = self._applier.unapply(state, migration, self._unrecord)
            if key in self._waiting:
                self._waiting.remove(key)
            self.loader.applied_migrations.pop(key, None)
        self._report("unapply_success", migration, fake)
        return state

    def _undo_under_others(self, migration: Migration, fake: bool) -> None:
        """Undo a migration while those stay that were written on top of it, and let it wait again."""
        key = _key(migration)
        if fake:
            self._put_off(migration)
        else:
            replay = self.history.replayed_without({key}, ())
            with self.history.doing(migration, replay.later[key]):
                self._applier.unapply(replay.state, migration, self._put_off)
        self._waiting.append(key)
        self.history.arrange()
        self.run.say(f"undone; {migration} stays on record, as do those that depend on it")

    def _put_off(self, migration: Migration) -> None:
        with transaction.atomic(self.connection.alias, savepoint=False):
            self.progress.forget(_key(migration))
            self.progress.defer(_key(migration))

    def _unrecord(self, migration: Migration) -> None:
        with transaction.atomic(self.connection.alias, savepoint=False):
            for app_label, name in (*migration.replaces, _key(migration)):
                self.recorder.record_unapplied(app_label, name)
            self.progress.forget(_key(migration))


def _key(migration: Migration) -> MigrationKey:
    return migration.app_label, migration.name


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
