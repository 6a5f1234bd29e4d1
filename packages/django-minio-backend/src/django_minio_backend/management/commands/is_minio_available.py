"""`manage.py is_minio_available`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from django_minio_backend.configured import configured_storages

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    """Ask every configured server whether it is healthy."""

    help = "Checks that every configured S3 server answers; exits with 1 if one does not."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument("--silenced", action="store_true", help="Print nothing unless there is an error.")
        parser.add_argument("--timeout", type=float, default=5.0, help="Seconds to wait for each server (5).")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002  the command's signature
        """Run the command. Raises CommandError naming the address and what was found."""
        servers = {storage.base_url: storage for storage in configured_storages()}
        if not servers:
            raise CommandError("No storage of this package is configured; there is no server to ask.")
        for base_url, storage in servers.items():
            status = storage.is_minio_available(timeout=options["timeout"])
            if not status:
                raise CommandError(f"MinIO is NOT available at {base_url}\n{status.details}")
            if not options["silenced"]:
                self.stdout.write(self.style.SUCCESS(f"MinIO is available at {base_url}"))
