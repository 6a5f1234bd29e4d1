"""The types of stored files, and which of them a browser would execute in the name of the bucket's site."""

from __future__ import annotations

import mimetypes
import re
from functools import lru_cache
from typing import Any, Final

__all__ = ["ACTIVE_TYPES", "content_type_of", "is_active", "name_is_active"]

ACTIVE_TYPES: Final = (
    "text/html",
    "application/xhtml+xml",
    "image/svg+xml",
    "text/xml",
    "application/xml",
    "text/javascript",
    "application/javascript",
    "application/ecmascript",
    "text/ecmascript",
    "multipart/x-mixed-replace",
    "message/rfc822",
    "multipart/related",
    "application/x-shockwave-flash",
)
"""Types that can run scripts where they are opened; any other `+xml` type counts too."""

_COMPRESSED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}
_FALLBACK = "application/octet-stream"
_WORD = r"[A-Za-z0-9!#$&^_.+-]+"
_TYPE = re.compile(rf"{_WORD}/{_WORD}[ \t]*(;[ -~]*)?")
_SNIFFED = frozenset({"unknown/unknown", "application/unknown"})
"""Types that mean to browsers that there is none (https://mimesniff.spec.whatwg.org)."""
_ALSO_ACTIVE = {
    ".xht": "application/xhtml+xml",
    ".shtml": "text/html",
    ".mht": "multipart/related",
    ".mhtml": "multipart/related",
    ".xsl": "text/xml",
    ".svgz": "image/svg+xml",
}


def content_type_of(name: str, content: Any = None) -> str:
    """Return the type the content says it has, else that of the name, else `application/octet-stream`.

    What an uploader says counts only if it is a type: else browsers look into the content, and may find HTML there.
    """
    said = str(getattr(content, "content_type", None) or "").strip()
    return said if _TYPE.fullmatch(said) and said.partition(";")[0].lower() not in _SNIFFED else _guessed(name)


def is_active(name: str, content_type: str, types: tuple[str, ...]) -> bool:
    """Whether a file must not be shown in a browser, by the type it is said to have or by that of its name.

    `types` are those that count as active; none if it is empty.
    """
    return _counts(content_type, types) or name_is_active(name, types)


def name_is_active(name: str, types: tuple[str, ...]) -> bool:
    """Whether the ending of a name stands for an active type."""
    _, dot, ending = name.rpartition("/")[2].rpartition(".")
    return bool(dot) and _ending_is_active(ending.lower(), types)


@lru_cache(1024)
def _ending_is_active(ending: str, types: tuple[str, ...]) -> bool:
    kind = _ALSO_ACTIVE.get(f".{ending}") or mimetypes.guess_type(f"x.{ending}")[0] or ""
    return _counts(kind, types)


def _counts(content_type: str, types: tuple[str, ...]) -> bool:
    plain = content_type.partition(";")[0].strip().lower()
    return bool(types) and (plain in types or plain.endswith("+xml"))


def _guessed(name: str) -> str:
    guessed, encoding = mimetypes.guess_type(name)
    return _COMPRESSED.get(encoding, _FALLBACK) if encoding else guessed or _FALLBACK
