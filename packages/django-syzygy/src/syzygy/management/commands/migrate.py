"""`migrate`, before or after the deployment, by one process or by many that meet first."""

import io
import json
import sys
from collections.abc import Container
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError, CommandParser, OutputWrapper
from django.core.management.commands.migrate import Command as DjangoCommand
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from syzygy import conf
from syzygy.autodetector import MigrationAutodetector
from syzygy.constants import Stage
from syzygy.plan import Plan
from syzygy.stages import parse_stage

# Whatever compares the two commands, as `check` does before each of them, loads this module for its autodetector alone.
if TYPE_CHECKING:
    from syzygy.executor import StagedRun
    from syzygy.quorum.rendezvous import Rendezvous

__all__ = ("Command",)


class Command(DjangoCommand):
    """Django's command, able to stop at the deployment and to run on many hosts at once."""

    # Django refuses a pair of commands that detect changes differently.
    autodetector = MigrationAutodetector
    _told = False

    def add_arguments(self, parser: CommandParser) -> None:  # noqa: D102
        super().add_arguments(parser)
        stages = parser.add_mutually_exclusive_group()
        stages.add_argument(
            "--pre-deploy",
            action="store_const",
            const=Stage.PRE_DEPLOY,
            default=Stage.POST_DEPLOY,
            dest="stage",
            help="Apply only the migrations meant for before the deployment.",
        )
        stages.add_argument(
            "--post-deploy",
            action="store_true",
            dest="post_only",
            help="Apply only the migrations meant for after the deployment. Without either, all are applied.",
        )
        parser.add_argument(
            "--format",
            choices=("text", "json"),
            default="text",
            dest="report_format",
            help="How --plan and --check show what would be done. Defaults to text.",
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
        from syzygy.executor import staged_run

        conf.refuse_wrong_settings()
        stage = parse_stage(options.pop("stage", Stage.POST_DEPLOY), "The stage to migrate")
        post_only, report_format = options.pop("post_only", False), options.pop("report_format", "text")
        quorum, timeout = options.pop("quorum", 1), options.pop("quorum_timeout", 1800)
        _refuse_contradictions(stage, post_only, report_format, quorum, options)
        with staged_run(stage, post_only) as run:
            if options["verbosity"] >= 1:
                run.say = self._say
            if options["plan"] or options["check_unapplied"]:
                self._show(run, report_format, args, options)
                return
            plan = self._plan(run, args, options) if quorum > 1 and not options["prune"] else []
            if plan:
                self._meet(run, quorum, timeout, options).run(lambda: self._migrate_alone(run, *args, **options))
            else:
                self._migrate_alone(run, *args, **options)
        self._report_postponed(run, options)

    def _say(self, text: str) -> None:
        """A line below the migration that is under way, whose own line has not ended yet."""
        self.stdout.write(f"{'' if self._told else chr(10)}    {text}")
        self.stdout.flush()
        self._told = True

    def migration_progress_callback(self, action: str, migration: Any = None, fake: bool = False) -> None:
        """Print Django's lines; where others came between, the one that says OK is whole again."""
        if action.endswith("_success") and migration is not None and self._told:
            verb = "Applying" if action == "apply_success" else "Unapplying"
            self.stdout.write(f"  {verb} {migration}...", ending="")
            self._told = False
        super().migration_progress_callback(action, migration, fake)

    def _migrate_alone(self, run: "StagedRun", *args: Any, **options: Any) -> None:
        """Migrate once nobody else does; what is left to do is worked out only then."""
        from syzygy.runner import runner_lock

        silent = options["verbosity"] < 1
        with runner_lock(
            connections[options["database"]], lambda text: None if silent else self.stdout.write(text)
        ) as lock:
            run.check_holder = lock.check
            super().handle(*args, **options)

    def sync_apps(self, connection: BaseDatabaseWrapper, app_labels: Container[str]) -> None:
        """Make the tables of apps without migrations (`--run-syncdb`)."""
        from syzygy.unmigrated import sync_within_limits

        sync = super().sync_apps
        sync_within_limits(connection, self._say, lambda: sync(connection, app_labels))
        self._told = False

    # Looking without doing

    def _plan(self, run: "StagedRun", args: tuple[Any, ...], options: dict[str, Any]) -> Plan:
        """Let Django work out what it would do, without a word and without doing it."""
        stdout, self.stdout = self.stdout, OutputWrapper(io.StringIO())
        try:
            super().handle(*args, **{**options, "plan": True, "check_unapplied": False, "prune": False})
        finally:
            self.stdout = stdout
        return run.plan

    def _show(self, run: "StagedRun", report_format: str, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        """Print the plan; with --check exit with status 1 if there is one, and be silent if there is none."""
        from syzygy.reports import PlanReport

        plan = self._plan(run, args, options)
        if run.executor is not None and (plan or options["plan"] or report_format == "json"):
            report = PlanReport(run, run.executor)
            if report_format == "json":
                self.stdout.write(json.dumps(report.as_dict(), indent=2))
            elif options["verbosity"] >= 1:
                report.write(self.stdout, self.style)
        if plan and options["check_unapplied"]:
            sys.exit(1)

    # Several processes

    def _meet(self, run: "StagedRun", quorum: int, timeout: float, options: dict[str, Any]) -> "Rendezvous":
        from syzygy.quorum import get_backend
        from syzygy.quorum.rendezvous import Rendezvous

        try:
            backend = get_backend()
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        return Rendezvous(
            backend=backend,
            database=options["database"],
            plan=run.plan,
            deferred=set(run.deferred),
            quorum=quorum,
            timeout=timeout,
            verbosity=options["verbosity"],
            stdout=self.stdout,
            stderr=self.stderr,
            style=self.style,
        )

    def _report_postponed(self, run: "StagedRun", options: dict[str, Any]) -> None:
        recorded = [entry for entry in run.plan if (entry[0].app_label, entry[0].name) in run.deferred]
        if options["verbosity"] < 1 or not (run.postponed or recorded):
            return
        from syzygy.reports import postponed_heading

        self.stdout.write(self.style.MIGRATE_HEADING(postponed_heading(run)))
        for migration, backward in recorded:
            done = "undone; its record is left" if backward else "recorded; its operations wait"
            self.stdout.write(f"  {migration} ({done})")
        for migration, backward in run.postponed:
            self.stdout.write(f"  {'Revert ' if backward else ''}{migration}")


def _refuse_contradictions(
    stage: Stage, post_only: bool, report_format: str, quorum: int, options: dict[str, Any]
) -> None:
    if quorum < 1:
        raise CommandError(f"--quorum is {quorum}; it must be the number of processes that take part.")
    if post_only and stage is Stage.PRE_DEPLOY:
        raise CommandError("A run is either --pre-deploy or --post-deploy.")
    if report_format == "json" and not (options["plan"] or options["check_unapplied"]):
        raise CommandError("--format json shows what would be done; use it with --plan or --check.")
