"""`manage.py s3_doctor`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from minio.error import MinioException

from django_minio_backend.configured import configured_storages
from django_minio_backend.doctor import Finding, Need, Result, examine
from django_minio_backend.doctor_checks import CHECKS
from django_minio_backend.errors import ServerUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.core.management.base import CommandParser

    from django_minio_backend.storage import MinioBackend


class Command(BaseCommand):
    """Try on each configured server what this package uses."""

    help = (
        "Says what every configured S3 server can and cannot do. Exits with 1 if something required does not work, "
        "with --strict also if something recommended does not, and with 2 if a server cannot be examined."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument("--bucket", default="", help="Examine in this bucket; default: one made and removed again.")
        parser.add_argument("--timeout", type=float, default=60.0, help="Seconds for each server in all (60).")
        parser.add_argument("--strict", action="store_true", help="Fail on what is recommended, too.")
        parser.add_argument("--json", action="store_true", help="Print one JSON document.")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002  the command's signature
        """Run the command. Raises CommandError with return code 2 for a server that cannot be examined."""
        servers = {storage.base_url: storage for storage in configured_storages()}
        if not servers:
            raise CommandError("No storage of this package is configured; there is no server to examine.", returncode=2)
        found = {base_url: self._examined(storage, options) for base_url, storage in servers.items()}
        if options["json"]:
            self.stdout.write(
                json.dumps({url: [one.as_json() for one in all_] for url, all_ in found.items()}, indent=2)
            )
        else:
            for base_url, findings in found.items():
                self._print(base_url, findings)
        grave = {Need.REQUIRED, Need.RECOMMENDED} if options["strict"] else {Need.REQUIRED}
        if any(one.is_bad and one.need in grave for findings in found.values() for one in findings):
            raise SystemExit(1)

    def _examined(self, storage: MinioBackend, options: dict[str, Any]) -> list[Finding]:
        try:
            return examine(storage, CHECKS, bucket=options["bucket"], seconds=options["timeout"])
        except (MinioException, ServerUnreachable) as error:
            raise CommandError(f"{storage.base_url} cannot be examined: {error}", returncode=2) from error

    def _print(self, base_url: str, findings: list[Finding]) -> None:
        self.stdout.write(base_url)
        width = max(len(one.title) for one in findings)
        for one in findings:
            result = self._style(one)(f"{one.result:<8}")
            self.stdout.write(f"  {result}{one.title:<{width}}  {one.need:<12}{one.detail}".rstrip())
        good = sum(one.result is Result.YES for one in findings)
        self.stdout.write(f"{good} of {len(findings)} work.")

    def _style(self, finding: Finding) -> Callable[[str], str]:
        if finding.is_bad:
            return self.style.ERROR if finding.need is Need.REQUIRED else self.style.WARNING
        return self.style.SUCCESS if finding.result is Result.YES else str
