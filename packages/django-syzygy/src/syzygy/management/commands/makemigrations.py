"""`makemigrations`, dividing changes by the deployment."""

from functools import partial
from typing import Any

from django.core.management.base import CommandParser
from django.core.management.commands import makemigrations as django_makemigrations
from django.db.migrations import Migration
from django.db.migrations.autodetector import MigrationAutodetector as DjangoMigrationAutodetector

from syzygy import conf
from syzygy.autodetector import MigrationAutodetector
from syzygy.updating import LatestMigration
from syzygy.writer import MigrationWriter

__all__ = ("Command",)

# Django's command names its writer by a global of its module; ours differs in migrations that Django never makes.
django_makemigrations.MigrationWriter = MigrationWriter  # type: ignore[attr-defined]


class Command(django_makemigrations.Command):
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
        parser.add_argument(
            "--allow-type-changes",
            action="store_true",
            dest="allow_type_changes",
            help="Also change types of columns that nobody can use meanwhile.",
        )

    def handle(  # noqa: D102
        self, *app_labels: str, disable_syzygy: bool = False, allow_type_changes: bool = False, **options: Any
    ) -> None:
        if not disable_syzygy:
            conf.refuse_wrong_settings()
        # The name is looked up now, so that it can be replaced in this module.
        detector: Any = partial(MigrationAutodetector, style=self.style, allow_type_changes=allow_type_changes)
        self.autodetector = DjangoMigrationAutodetector if disable_syzygy else detector  # type: ignore[assignment,misc]
        self._divides = not disable_syzygy
        super().handle(*app_labels, **options)

    def write_to_last_migration_files(self, changes: dict[str, list[Migration]]) -> None:
        """Merge changes into the latest migration of each app, for each side of the deployment by itself."""
        if not self._divides:
            super().write_to_last_migration_files(changes)
            return
        for app_label, migrations in changes.items():
            latest = LatestMigration.of(app_label)
            first, *others = latest.merged(migrations, self.migration_name)
            self.write_migration_files({app_label: [first]}, {app_label: latest.path})
            if others:
                self.write_migration_files({app_label: others})
