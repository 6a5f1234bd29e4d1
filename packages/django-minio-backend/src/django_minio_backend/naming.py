"""Object names: the one place where a name from outside becomes the key of an object."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from django.core.exceptions import SuspiciousFileOperation

if TYPE_CHECKING:
    import os

__all__ = ["object_name", "prefix_of"]


def object_name(name: str | os.PathLike[str] | None) -> str:
    """Return the key for `name`: forward slashes, no empty or `.` parts.

    Raises ValueError for an empty name and SuspiciousFileOperation for one that is absolute or climbs out.
    """
    if name is None or not str(name):
        raise ValueError("A file name is needed, not an empty one.")
    text = str(name).replace("\\", "/")
    if text.startswith("/") or ".." in text.split("/"):
        raise SuspiciousFileOperation(f"The file name {text!r} points outside of the bucket.")
    if "\0" in text or not _has_utf_8(text):
        raise SuspiciousFileOperation(f"The file name {text!r} holds a NUL character, or half a character.")
    key = posixpath.normpath(text)
    if key == ".":
        raise SuspiciousFileOperation(f"No object name can be derived from {text!r}.")
    return key


def _has_utf_8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def prefix_of(path: str | os.PathLike[str] | None) -> str:
    """Return the prefix that the objects of a folder share; the bucket itself for an empty path."""
    text = str(path or "").replace("\\", "/")
    if text.strip("/") in {"", "."}:
        return ""
    return object_name(text) + "/"
