"""`manage.py clean_orphaned_minio_files`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand

from django_minio_backend.orphans import BucketUse, buckets_in_use

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    """Delete objects that no FileField refers to any more."""

    help = "Deletes objects that no FileField refers to, in buckets that at least one FileField stores in."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument("--dry-run", action="store_true", help="Only say what would be deleted.")
        parser.add_argument("--check-missing", action="store_true", help="Also name rows whose object is missing.")
        parser.add_argument("--bucket", action="append", default=[], help="Only this bucket; may be repeated.")
        parser.add_argument("--prefix", default="", help="Only objects whose name starts with this.")
        parser.add_argument(
            "--min-age",
            type=float,
            default=3600.0,
            help="Only objects written at least so many seconds ago (3600): a row may be saved after its file.",
        )

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002  the command's signature
        """Run the command; an object that cannot be deleted is reported and the others go on."""
        uses = buckets_in_use(options["bucket"])
        if not uses:
            self.stdout.write("No FileField stores in one of the buckets; nothing to clean.")
        for use in uses:
            for name in use.orphans(options["prefix"], timedelta(seconds=options["min_age"])):
                self._clean(use, name, dry_run=options["dry_run"])
            if options["check_missing"]:
                for name in use.missing():
                    self.stdout.write(f"Missing: {use.storage.bucket}/{name}")

    def _clean(self, use: BucketUse, name: str, *, dry_run: bool) -> None:
        if dry_run:
            self.stdout.write(f"Would delete: {use.storage.bucket}/{name}")
            return
        try:
            use.storage.delete(name)
        except Exception as error:  # noqa: BLE001  reported, as the documentation says
            self.stderr.write(f"Not deleted: {use.storage.bucket}/{name}: {error}")
        else:
            self.stdout.write(f"Deleted: {use.storage.bucket}/{name}")
