"""`migrate`, before or after the deployment, by one process or by many that meet first."""

import io
from typing import Any

from django.core.management.base import CommandError, CommandParser, OutputWrapper
from django.core.management.commands.migrate import Command as DjangoCommand

from syzygy import conf
from syzygy.autodetector import MigrationAutodetector
from syzygy.constants import Stage
from syzygy.executor import StagedRun, staged_run
from syzygy.plan import Plan
from syzygy.quorum import get_backend
from syzygy.quorum.rendezvous import Rendezvous
from syzygy.stages import parse_stage

__all__ = ("Command",)


class Command(DjangoCommand):
    """Django's command, able to stop at the deployment and to run on many hosts at once."""

    # Django refuses a pair of commands that detect changes differently.
    autodetector = MigrationAutodetector

    def add_arguments(self, parser: CommandParser) -> None:  # noqa: D102
        super().add_arguments(parser)
        parser.add_argument(
            "--pre-deploy",
            action="store_const",
            const=Stage.PRE_DEPLOY,
            default=Stage.POST_DEPLOY,
            dest="stage",
            help="Apply only the migrations meant for before the deployment.",
        )
        parser.add_argument(
            "--quorum",
            type=int,
            default=1,
            metavar="N",
            help="Wait until N processes run this command; one of them applies the migrations.",
        )
        parser.add_argument(
            "--quorum-timeout",
            type=int,
            default=1800,
            metavar="SECONDS",
            help="How long to wait for the other processes. Defaults to 1800.",
        )

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: D102
        conf.refuse_wrong_settings()
        stage = parse_stage(options.pop("stage", Stage.POST_DEPLOY), "The stage to migrate")
        quorum, timeout = options.pop("quorum", 1), options.pop("quorum_timeout", 1800)
        if quorum < 1:
            raise CommandError(f"--quorum is {quorum}; it must be the number of processes that take part.")
        with staged_run(stage) as run:
            plan = self._plan(run, args, options) if quorum > 1 and _applies(options) else []
            if plan:
                self._meet(plan, quorum, timeout, options).run(lambda: self._migrate(*args, **options))
            else:
                self._migrate(*args, **options)
        self._report_postponed(run, options)

    def _migrate(self, *args: Any, **options: Any) -> None:
        super().handle(*args, **options)

    def _plan(self, run: StagedRun, args: tuple[Any, ...], options: dict[str, Any]) -> Plan:
        """Let Django work out what it would do, without a word and without doing it."""
        stdout, self.stdout = self.stdout, OutputWrapper(io.StringIO())
        try:
            super().handle(*args, **{**options, "plan": True})
        finally:
            self.stdout = stdout
        return run.plan

    def _meet(self, plan: Plan, quorum: int, timeout: float, options: dict[str, Any]) -> Rendezvous:
        return Rendezvous(
            backend=get_backend(),
            database=options["database"],
            plan=plan,
            quorum=quorum,
            timeout=timeout,
            verbosity=options["verbosity"],
            stdout=self.stdout,
            stderr=self.stderr,
            style=self.style,
        )

    def _report_postponed(self, run: StagedRun, options: dict[str, Any]) -> None:
        silent = options["check_unapplied"] and not options["plan"]
        if not run.postponed or silent or options["verbosity"] < 1:
            return
        self.stdout.write(self.style.MIGRATE_HEADING("Postponed until after the deployment:"))
        for migration, backward in run.postponed:
            self.stdout.write(f"  {'Revert ' if backward else ''}{migration}")


def _applies(options: dict[str, Any]) -> bool:
    """Whether a run changes the schema: looking at the plan needs nobody else."""
    return not (options["plan"] or options["check_unapplied"] or options["prune"])
