"""`manage.py initialize_buckets`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand

from django_minio_backend.configured import configured_storages
from django_minio_backend.initializing import initialize

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    """Create the declared buckets and bring their policies in line with the settings."""

    help = "Creates the declared buckets, sets or removes their public policy, and runs the policy hooks."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument("--silenced", action="store_true", help="Print nothing.")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002  the command's signature
        """Run the command. The server's and the connection's errors end it."""
        report = (lambda _: None) if options["silenced"] else self.stdout.write
        initialize(configured_storages(), report)
