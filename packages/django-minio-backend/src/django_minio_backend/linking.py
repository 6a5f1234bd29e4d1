"""The addresses of a storage's objects."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.core.cache import cache

from django_minio_backend.configuration import ConfiguredStorage
from django_minio_backend.links import cache_key, presigned_url, public_url, seconds_of
from django_minio_backend.naming import object_name

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping


__all__ = ["Linking"]


class Linking(ConfiguredStorage):
    """The part of `MinioBackend` that makes addresses for browsers."""

    def url(
        self,
        name: str | os.PathLike[str] | None,
        *,
        expires: timedelta | float | None = None,
        response_headers: Mapping[str, str] | None = None,
    ) -> str:
        """Return the address a browser can load the object from. Sends no request.

        In a private bucket it is presigned and valid for `expires`, a timedelta or seconds, by default the
        configured time; ValueError outside of 1 second to 7 days. `response_headers`, such as
        `{"response-content-disposition": "attachment"}`, become part of a presigned address.
        """
        key = object_name(name)
        if self.is_bucket_public:
            return public_url(self.external_endpoint, self.bucket, key)
        seconds = seconds_of(self.options.expiry if expires is None else expires)
        make = self._cached if self.url_caching_enabled else self._presigned
        return make(key, seconds, response_headers)

    def _presigned(self, key: str, seconds: int, response_headers: Mapping[str, str] | None) -> str:
        region = self._transport().region(self.bucket)
        span = timedelta(seconds=seconds)
        return presigned_url(self.connection, self.external_endpoint, region, self.bucket, key, span, response_headers)

    def _cached(self, key: str, seconds: int, response_headers: Mapping[str, str] | None) -> str:
        """Return a link kept in Django's cache for less than the time it is valid."""
        rest = f"{seconds} {sorted((response_headers or {}).items())}"
        place = cache_key(self.cache_prefix, self.connection, self.external_endpoint, self.bucket, key, rest)
        link = cache.get(place)
        if link is None:
            link = self._presigned(key, seconds, response_headers)
            cache.set(place, link, min(self.url_cache_timeout, seconds * 4 // 5))
        return str(link)

    @property
    def url_caching_enabled(self) -> bool:
        """Whether links are kept in Django's cache."""
        return bool(self.options.get("MINIO_URL_CACHING_ENABLED"))

    @property
    def url_cache_timeout(self) -> int:
        """For how many seconds a link is kept; never longer than four fifths of its validity."""
        longest = seconds_of(self.options.expiry) * 4 // 5
        wanted = self.options.get("MINIO_URL_CACHE_TIMEOUT")
        return longest if wanted is None else min(int(wanted), longest)

    @property
    def cache_prefix(self) -> str:
        """What the keys of cached links start with."""
        return str(self.options.get("MINIO_URL_CACHE_PREFIX"))
