"""`makemigrations`, dividing changes by the deployment."""

from functools import partial
from typing import Any

from django.core.management.base import CommandParser
from django.core.management.commands.makemigrations import Command as DjangoCommand
from django.db.migrations.autodetector import MigrationAutodetector as DjangoMigrationAutodetector

from syzygy import conf
from syzygy.autodetector import MigrationAutodetector

__all__ = ("Command",)


class Command(DjangoCommand):
    """Django's command with an autodetector that knows about deployments."""

    autodetector = MigrationAutodetector

    def add_arguments(self, parser: CommandParser) -> None:  # noqa: D102
        super().add_arguments(parser)
        parser.add_argument(
            "--disable-syzygy",
            action="store_true",
            dest="disable_syzygy",
            help="Make migrations as Django does, without dividing them by the deployment.",
        )

    def handle(self, *app_labels: str, disable_syzygy: bool = False, **options: Any) -> None:  # noqa: D102
        if not disable_syzygy:
            conf.refuse_wrong_settings()
        # The name is looked up now, so that it can be replaced in this module.
        detector: Any = partial(MigrationAutodetector, style=self.style)
        self.autodetector = DjangoMigrationAutodetector if disable_syzygy else detector  # type: ignore[assignment,misc]
        super().handle(*app_labels, **options)
