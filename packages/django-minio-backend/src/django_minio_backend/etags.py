"""The etag that a server gives to an object, computed from the content beforehand."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from django_minio_backend.multipart import windows_of

if TYPE_CHECKING:
    from django_minio_backend.multipart import Parts
    from django_minio_backend.payload import Window

__all__ = ["etag_of"]

_BLOCK = 1024 * 1024


def etag_of(body: Window, parts: Parts | None) -> str:
    """Return the etag of what would be uploaded, without quotes: MD5, or for parts the MD5 of their digests.

    So S3 defines it but for objects encrypted with SSE-KMS or SSE-C, whose etags say nothing about the content.
    """
    if parts is None:
        return _md5(body).hexdigest()
    digests = [_md5(window).digest() for window in windows_of(body, parts)]
    return f"{hashlib.md5(b''.join(digests), usedforsecurity=False).hexdigest()}-{len(digests)}"


def _md5(body: Window) -> hashlib._Hash:
    digest = hashlib.md5(usedforsecurity=False)
    body.seek(0)
    while block := body.read(_BLOCK):
        digest.update(block)
    body.seek(0)
    return digest
