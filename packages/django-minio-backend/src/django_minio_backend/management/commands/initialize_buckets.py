"""`manage.py initialize_buckets`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand

from django_minio_backend.configured import configured_storages
from django_minio_backend.initializing import initialize, plan

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    """Create the declared buckets and bring their policies in line with the settings."""

    help = "Creates the declared buckets and gives them the policy, versioning, lifecycle and CORS of the settings."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument("--silenced", action="store_true", help="Print nothing.")
        parser.add_argument("--plan", action="store_true", help="Only print what would be changed.")
        parser.add_argument("--check", action="store_true", help="Like --plan; exit with 1 if something would be.")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002  the command's signature
        """Run the command. The server's and the connection's errors end it."""
        report = (lambda _: None) if options["silenced"] else self.stdout.write
        if not options["plan"] and not options["check"]:
            initialize(configured_storages(), report)
            return
        changes = plan(configured_storages(), report)
        report(f"{changes} change{'' if changes == 1 else 's'} to make." if changes else "Nothing to change.")
        if changes and options["check"]:
            raise SystemExit(1)
