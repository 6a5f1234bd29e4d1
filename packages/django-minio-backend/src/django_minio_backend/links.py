"""Addresses of objects for browsers: plain ones of public buckets, presigned ones of private buckets."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django_minio_backend.signing import quote_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_minio_backend.connection import Connection, Endpoint

__all__ = ["Links", "seconds_of"]

_LONGEST = timedelta(days=7)


@dataclass(frozen=True)
class Links:
    """The addresses of one bucket's objects. No method sends a request.

    `expires` is the validity of presigned ones in seconds, unless a call says otherwise.
    """

    connection: Connection
    endpoint: Endpoint
    bucket: str
    expires: int

    def public(self, key: str) -> str:
        """Return the address of an object that anyone may read."""
        return f"{self.endpoint.base_url}{quote_path(f'/{self.bucket}/{key}')}"

    def presigned(self, key: str, seconds: int, region: str, response_headers: Mapping[str, str]) -> str:
        """Return an address that lets its bearer read one object until it expires.

        `response_headers` are what the server shall answer with, such as `response-content-disposition`.
        """
        path = quote_path(f"/{self.bucket}/{key}")
        host, extra = self.endpoint.signed_host, response_headers.items()
        query = self.connection.signer.query("GET", host, path, region, seconds, extra)
        return f"{self.endpoint.base_url}{path}?{query}"

    def cache_key(self, prefix: str, key: str, seconds: int, response_headers: Mapping[str, str]) -> str:
        """Return the key to cache a presigned address under; another one as soon as the credentials rotate."""
        rest = f"{seconds} {sorted(response_headers.items())}"
        parts = (self.endpoint.base_url, self.bucket, key, rest, self.connection.signer.fingerprint())
        return prefix + hashlib.sha256("\0".join(parts).encode()).hexdigest()


def seconds_of(expires: timedelta | float) -> int:
    """Return a link's validity in whole seconds. Raises ValueError outside of 1 second to 7 days."""
    try:
        span = expires if isinstance(expires, timedelta) else timedelta(seconds=expires)
    except (OverflowError, ValueError):  # infinite, or not a number
        span = timedelta.max
    if not timedelta(seconds=1) <= span <= _LONGEST:
        raise ValueError(f"A link can be valid from 1 second to 7 days, not {span}.")
    return int(span.total_seconds())
