"""The addresses of a storage's objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.cache import cache

from django_minio_backend import epoch
from django_minio_backend.configuration import ConfiguredStorage
from django_minio_backend.content_types import name_is_active
from django_minio_backend.links import Links, seconds_of
from django_minio_backend.naming import object_name

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from datetime import timedelta

__all__ = ["Linking"]

_DISPOSITION = "response-content-disposition"
_AS_ATTACHMENT = {_DISPOSITION: "attachment"}


class Linking(ConfiguredStorage):
    """The part of `MinioBackend` that makes addresses for browsers."""

    _kept_links: tuple[object, Links] | None = None

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
        `{"response-content-disposition": "inline"}`, become part of a presigned address. Without a disposition
        among them, a name that stands for an active type (MINIO_ATTACHMENT_TYPES) gets `attachment`.
        """
        key = object_name(name)
        links = self._links()
        if self.is_bucket_public:
            return links.public(key)
        seconds = links.expires if expires is None else seconds_of(expires)
        make = self._cached if self.url_caching_enabled else self._presigned
        return make(links, key, seconds, self._headers_of(key, response_headers))

    def _headers_of(self, key: str, asked: Mapping[str, str] | None) -> Mapping[str, str]:
        _refuse_wrong(asked or {})
        if asked and any(name.lower() == _DISPOSITION for name in asked):
            return asked
        if name_is_active(key, self.attachment_types):
            return {**(asked or {}), **_AS_ATTACHMENT}
        return asked or {}

    def _links(self) -> Links:
        """Return the maker of this storage's links; kept until settings change or the process forks."""
        now = epoch.current()
        kept = self._kept_links
        if kept is None or kept[0] is not now:
            links = Links(self.connection, self.external_endpoint, self.bucket, seconds_of(self.options.expiry))
            kept = self._kept_links = now, links
        return kept[1]

    def _presigned(self, links: Links, key: str, seconds: int, response_headers: Mapping[str, str]) -> str:
        region = links.connection.region or self._transport().region(self.bucket)
        return links.presigned(key, seconds, region, response_headers)

    def _cached(self, links: Links, key: str, seconds: int, response_headers: Mapping[str, str]) -> str:
        """Return a link kept in Django's cache for less than the time it is valid."""
        place = links.cache_key(self.cache_prefix, key, seconds, response_headers)
        link = cache.get(place)
        if link is None:
            link = self._presigned(links, key, seconds, response_headers)
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


def _refuse_wrong(response_headers: Mapping[str, str]) -> None:
    """Raise ValueError for what would be another parameter of the signature, or another header of the answer."""
    for name, value in response_headers.items():
        if name.lower().startswith("x-amz-"):
            raise ValueError(f"{name!r} is not a header of the answer; say expires= for how long a link is valid.")
        if not value.isprintable():
            raise ValueError(f"The value of {name!r} holds characters that a header cannot: {value!r}.")
