"""`manage.py prepare_catalogue`: tables, buckets, static files and a first data set, on the first start."""

from importlib.metadata import files
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from portal.catalogue.datasets.curation_views import deposit
from portal.catalogue.datasets.models import DataFile
from portal.catalogue.datasets.pages import curation
from portal.catalogue.datasets.plain_events import all_events_have_keys, encrypt_plain_events
from portal.catalogue.datasets.profile import profile_csv
from portal.settings import catalogue_settings

LAST_MIGRATION_OF_RELEASE_1: Final = "0001_initial"

_TITLE: Final = "Palmer Archipelago penguins: raw field records, 2007 to 2009"
_SUMMARY: Final = (
    "Nesting observations of Adélie, chinstrap and gentoo penguins around Palmer Station, Antarctica: species, "
    "island, clutch completion, egg date, bill and flipper size, body mass, sex and blood isotope ratios. "
    "Collected by Kristen Gorman with Palmer Station Long Term Ecological Research."
)
_KEYWORDS: Final = ["penguins", "antarctica", "morphology", "stable isotopes"]


class Command(BaseCommand):
    """Makes an empty database and an empty S3 server ready to serve; a second run changes nothing."""

    help = "Create tables, buckets and static files, and seed the first data set."

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what has not been done yet."""
        self._migrate()
        call_command("initialize_buckets", silenced=True)
        # The event browser does without the scripts of Django's admin.
        call_command("collectstatic", interactive=False, verbosity=0, ignore_patterns=["admin/js/*"])
        if not DataFile.objects.exists():
            _seed()
        self.stdout.write("ready")

    def _migrate(self) -> None:
        """Bring a new database to the release before the newest, so that a rollout is left to play."""
        loader = MigrationLoader(connection)
        _refuse_other_history(loader)
        _refuse_unreadable_events()
        call_command("migrate", "contenttypes", verbosity=0)  # of the event browser; it looks up its pages' models
        call_command("migrate", "eventsourcing_django", verbosity=0)
        encrypted = encrypt_plain_events()
        if encrypted:
            self.stdout.write(f"encrypted {encrypted} events that an earlier version of the portal had stored readable")
        if not any(app == "datasets" for app, _ in loader.applied_migrations):
            call_command("migrate", "datasets", LAST_MIGRATION_OF_RELEASE_1, verbosity=0)


def _refuse_other_history(loader: MigrationLoader) -> None:
    """Migrations that only another checkout has made tables that this one cannot know.

    Raises:
        CommandError: there are some.
    """
    applied = loader.applied_migrations.keys() - loader.disk_migrations.keys()
    unknown = sorted(f"{app}.{name}" for app, name in applied if app in loader.migrated_apps)
    if unknown:
        raise CommandError(
            f"these data were made by another version of the portal: their database has {', '.join(unknown)}, which "
            f"this version does not. Start them with that version, or this one with a new folder (--data)."
        )


def _refuse_unreadable_events() -> None:
    """Events whose keys are lost cannot be read by anybody, and new ones would stand among them.

    Raises:
        CommandError: there are some.
    """
    if not all_events_have_keys():
        raise CommandError(
            f"the events in the database were encrypted with keys that {catalogue_settings().event_keys.ref} does not "
            f"hold. Bring back the file as it was when they were stored, or start with a new folder (--data)."
        )


def penguins_file(name: str) -> Path:
    """A data file of the installed `palmerpenguins` distribution.

    Raises:
        CommandError: the distribution does not hold it.
    """
    found = [file for file in files("palmerpenguins") or [] if file.name == name]
    if not found:
        raise CommandError(f"the distribution palmerpenguins holds no file {name}; install it again")
    return Path(str(found[0].locate()))


def _seed() -> None:
    content = penguins_file("penguins-raw.csv").read_bytes()
    file = SimpleUploadedFile("penguins-raw.csv", content, content_type="text/csv")
    dataset_id = deposit(_TITLE, file, profile_csv(BytesIO(content)), "data-office")
    curation().describe(dataset_id, _SUMMARY, _KEYWORDS, "CC0-1.0", "data-office")
    curation().approve(dataset_id, "data-office", seen=2)  # registered, described
