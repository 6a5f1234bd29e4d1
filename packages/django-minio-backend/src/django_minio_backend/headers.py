"""The request headers that a save turns metadata, tags, encryption and retention into."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from django_minio_backend.content_types import content_type_of, is_active

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["upload_headers"]

_STANDARD = frozenset(
    {"cache-control", "content-disposition", "content-encoding", "content-language", "content-type", "expires"}
)
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def upload_headers(
    name: str, content: Any, options: Mapping[str, Any], attachment_types: tuple[str, ...] = ()
) -> dict[str, str]:
    """Return the headers for an upload: `options` are the storage's metadata, tags, sse, retention and so on.

    What would run scripts in a browser is stored to be downloaded, unless the metadata name a disposition.
    """
    headers = {"content-type": content_type_of(name, content)}
    for key, value in (options.get("metadata") or {}).items():
        headers[_metadata_key(key)] = _metadata_value(key, value)
    if is_active(name, headers["content-type"], attachment_types):
        headers.setdefault("content-disposition", "attachment")
    if options.get("sse") is not None:
        headers |= {key.lower(): str(value) for key, value in options["sse"].headers().items()}
    if options.get("tags"):
        headers["x-amz-tagging"] = urlencode(dict(options["tags"]), quote_via=quote)  # Ceph keeps a + as it is
    if options.get("retention") is not None:
        headers |= _retention(options["retention"])
    if options.get("legal_hold"):
        headers["x-amz-object-lock-legal-hold"] = "ON"
    if options.get("write_offset"):
        headers["x-amz-write-offset-bytes"] = str(options["write_offset"])
    return headers


def _metadata_key(key: str) -> str:
    if not _NAME.fullmatch(key):
        raise ValueError(f"{key!r} cannot be the name of metadata: letters, digits and hyphens can.")
    lowered = key.lower()
    return lowered if lowered in _STANDARD or lowered.startswith("x-amz-") else f"x-amz-meta-{lowered}"


def _metadata_value(key: str, value: Any) -> str:
    text = ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    if not text.isascii() or not text.isprintable():
        raise ValueError(f"The metadata {key!r} must be printable ASCII; encode other text, e.g. percent-encoded.")
    return text


def _retention(retention: Any) -> dict[str, str]:
    until = retention.retain_until_date
    return {
        "x-amz-object-lock-mode": str(retention.mode),
        "x-amz-object-lock-retain-until-date": f"{until:%Y-%m-%dT%H:%M:%SZ}",
    }
