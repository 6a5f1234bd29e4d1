"""What a field accepts: how large, of which types, and what may be called a name."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.core.exceptions import SuspiciousFileOperation, ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext_lazy as _

from django_minio_backend.content_types import content_type_of

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Limits", "clean_name"]


@dataclass(frozen=True)
class Limits:
    """The largest size in bytes, and content types such as `image/png` or `image/*`; none for any."""

    max_size: int
    content_types: Sequence[str] = ()
    allow_empty: bool = False

    def check(self, name: str, size: int) -> None:
        """Raise ValidationError if a file is empty or too large, or its name stands for a type not accepted here.

        The type that the browser says the file has does not count: nothing would hold it to that.
        """
        if not size and not self.allow_empty:
            raise ValidationError(_("“%(name)s” is empty."), code="empty", params={"name": name})
        if size > self.max_size:
            raise ValidationError(
                _("“%(name)s” has %(size)s; at most %(limit)s can be uploaded."),
                code="max_size",
                params={"name": name, "size": filesizeformat(size), "limit": filesizeformat(self.max_size)},
            )
        kind = content_type_of(name)
        if self.content_types and not any(_matches(kind, pattern) for pattern in self.content_types):
            raise ValidationError(
                _("“%(name)s” cannot be uploaded here: only files of these types can: %(types)s."),
                code="content_type",
                params={"name": name, "types": ", ".join(self.content_types)},
            )


def clean_name(name: str) -> str:
    """Return what a browser calls a file, as Django's own uploads have it: no folders, no control characters.

    Raises ValidationError if nothing is left of it.
    """
    last = html.unescape(name).replace("\\", "/").rpartition("/")[2]
    printable = "".join(character for character in last if character.isprintable()).strip()
    try:
        cleaned = UploadedFile(None, printable).name
    except SuspiciousFileOperation:
        cleaned = None
    if not cleaned:
        raise ValidationError(_("The file needs a name."), code="name")
    return cleaned


def _matches(kind: str, pattern: str) -> bool:
    pattern = pattern.lower()
    return kind.startswith(pattern[:-1]) if pattern.endswith("/*") else kind == pattern
