"""Addresses of objects for browsers: plain ones of public buckets, presigned ones of private buckets."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING

from django_minio_backend.signing import quote_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_minio_backend.connection import Connection, Endpoint

__all__ = ["cache_key", "presigned_url", "public_url", "seconds_of"]

_LONGEST = timedelta(days=7)


def public_url(endpoint: Endpoint, bucket: str, name: str) -> str:
    """Return the address of an object in a public bucket."""
    return f"{endpoint.base_url}{quote_path(f'/{bucket}/{name}')}"


def presigned_url(
    connection: Connection,
    endpoint: Endpoint,
    region: str,
    bucket: str,
    name: str,
    expires: timedelta,
    response_headers: Mapping[str, str] | None = None,
) -> str:
    """Return an address that lets its bearer read one object until it expires. Sends no request.

    `response_headers` are what the server shall answer with, such as `response-content-disposition`.
    """
    path = quote_path(f"/{bucket}/{name}")
    extra = (response_headers or {}).items()
    query = connection.signer.query("GET", endpoint.signed_host, path, region, seconds_of(expires), extra)
    return f"{endpoint.base_url}{path}?{query}"


def seconds_of(expires: timedelta | float) -> int:
    """Return a link's validity in whole seconds. Raises ValueError outside of 1 second to 7 days."""
    span = expires if isinstance(expires, timedelta) else timedelta(seconds=expires)
    if not timedelta(seconds=1) <= span <= _LONGEST:
        raise ValueError(f"A link can be valid from 1 second to 7 days, not {span}.")
    return int(span.total_seconds())


def cache_key(prefix: str, connection: Connection, endpoint: Endpoint, bucket: str, name: str, rest: str) -> str:
    """Return the key to cache a link under; another one as soon as the credentials rotate."""
    parts = (endpoint.base_url, bucket, name, rest, connection.signer.fingerprint())
    return prefix + hashlib.sha256("\0".join(parts).encode()).hexdigest()
