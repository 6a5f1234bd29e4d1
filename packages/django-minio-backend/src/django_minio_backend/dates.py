"""Date prefixes for `upload_to`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.db.models import Model

__all__ = ["get_iso_date", "iso_date_prefix"]


def get_iso_date() -> str:
    """Return today's date in UTC, such as `2026-02-03`."""
    return f"{datetime.now(UTC):%Y-%m-%d}"


def iso_date_prefix(_: Model | None, file_name_ext: str) -> str:
    """Return the file name under a folder named after today's date; made for `FileField(upload_to=...)`."""
    return f"{get_iso_date()}/{file_name_ext}"
