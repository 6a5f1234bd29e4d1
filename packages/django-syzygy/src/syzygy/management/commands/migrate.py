"""`migrate`, before or after the deployment, by one process or by many that meet first."""

from typing import Any

from django.core.management.base import CommandParser
from django.core.management.commands.migrate import Command as DjangoCommand

from syzygy.autodetector import MigrationAutodetector
from syzygy.constants import Stage
from syzygy.executor import StagedRun, staged_run
from syzygy.stages import parse_stage

__all__ = ("Command",)


class Command(DjangoCommand):
    """Django's command, able to stop at the deployment."""

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

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: D102
        stage = parse_stage(options.pop("stage", Stage.POST_DEPLOY), "The stage to migrate")
        with staged_run(stage) as run:
            super().handle(*args, **options)
        self._report_postponed(run, options)

    def _report_postponed(self, run: StagedRun, options: dict[str, Any]) -> None:
        silent = options["check_unapplied"] and not options["plan"]
        if not run.postponed or silent or options["verbosity"] < 1:
            return
        self.stdout.write(self.style.MIGRATE_HEADING("Postponed until after the deployment:"))
        for migration, backward in run.postponed:
            self.stdout.write(f"  {'Revert ' if backward else ''}{migration}")
