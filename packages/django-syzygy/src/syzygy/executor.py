"""A migration executor that plans only what runs before the deployment, and how `migrate` is made to use it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from django.core.management import CommandError
from django.core.management.commands import migrate as django_migrate
from django.db.migrations.executor import MigrationExecutor

from .constants import Stage
from .exceptions import AmbiguousPlan, AmbiguousStage, InvalidStage
from .plan import Plan, get_pre_deploy_plan

__all__ = ("StagedMigrationExecutor", "StagedRun", "staged_run")


@dataclass
class StagedRun:
    """One run of `migrate`: the stage it was asked for, and what the executor planned and postponed."""

    stage: Stage = Stage.POST_DEPLOY
    plan: Plan = field(default_factory=list)
    postponed: Plan = field(default_factory=list)


_current_run: ContextVar[StagedRun | None] = ContextVar("syzygy_staged_run", default=None)


class StagedMigrationExecutor(MigrationExecutor):
    """Django's executor, its plan trimmed to the stage of the current `StagedRun`."""

    def migration_plan(self, targets: Any, clean_start: bool = False) -> Plan:
        """Return Django's plan, of a pre-deployment run only the part that may run now.

        With `clean_start` Django asks for the order of all migrations, whether or not they run: untouched.
        """
        plan: Plan = super().migration_plan(targets, clean_start=clean_start)
        run = _current_run.get()
        if run is None or clean_start:
            return plan
        run.plan = _pre_deploy(plan) if run.stage is Stage.PRE_DEPLOY else plan
        # Django calls itself once more where a squashed migration is the target: keep what the inner call found.
        run.postponed = [entry for entry in plan if entry not in run.plan] or run.postponed
        return run.plan


def _pre_deploy(plan: Plan) -> Plan:
    try:
        return get_pre_deploy_plan(plan)
    except (AmbiguousPlan, AmbiguousStage, InvalidStage) as error:
        raise CommandError(str(error)) from error


_installed = threading.Lock()
_users = 0


@contextmanager
def staged_run(stage: Stage) -> Iterator[StagedRun]:
    """Make Django's `migrate`, called in this context, use `StagedMigrationExecutor`.

    Django's command names its executor by a global of its module. The global is replaced while anybody needs it;
    what the replacement does depends on the calling context alone, so threads do not disturb each other.
    """
    run = StagedRun(stage)
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
