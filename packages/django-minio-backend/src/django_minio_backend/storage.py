"""`MinioBackend`: Django's storage contract on an S3 server."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.core.cache import cache
from django.core.files.storage import Storage

from django_minio_backend.administration import Administration
from django_minio_backend.arguments import UPLOAD_OPTIONS, ConstructorArguments, refuse_unknown
from django_minio_backend.connection import Connection, Endpoint, connection_for
from django_minio_backend.errors import ConfigurationError, LegacyObjectNotFound, ObjectNotFound, not_found, s3_error
from django_minio_backend.headers import upload_headers
from django_minio_backend.links import cache_key, presigned_url, public_url, seconds_of
from django_minio_backend.naming import object_name, prefix_of
from django_minio_backend.options import DEFAULTS, Options
from django_minio_backend.payload import Payload
from django_minio_backend.reading import ObjectReader, S3File
from django_minio_backend.transport import Transport, explained
from django_minio_backend.uploading import Uploader

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from minio import Minio
    from minio.datatypes import Object

__all__ = ["MinioBackend"]

_log = logging.getLogger("django_minio_backend.models")


@dataclass
class _Saving:
    """A save under way: names found taken so far, and how long a name may be."""

    storage: object
    max_length: int | None
    taken: set[str] = field(default_factory=set)


_saving: ContextVar[_Saving | None] = ContextVar("saving", default=None)


class MinioBackend(Administration, ConstructorArguments, Storage):
    """A Django storage that keeps files as objects of one bucket.

    `bucket_name` is the bucket; without it the configured default. `storage_name` is the alias in STORAGES
    whose OPTIONS fill in what the keywords leave out. Further keywords: every MINIO_ setting;
    `replace_existing` to overwrite instead of choosing another name; `http_client`, a urllib3 PoolManager;
    and for uploads `metadata`, `sse`, `progress`, `tags`, `retention`, `legal_hold`, `num_parallel_uploads`.

    Building a storage sends no request. Raises ConfigurationError or PrivatePublicMixedError.
    """

    DEFAULT_MEDIA_FILES_BUCKET: Final = DEFAULTS["MINIO_DEFAULT_BUCKET"]
    DEFAULT_STATIC_FILES_BUCKET: Final = DEFAULTS["MINIO_STATIC_FILES_BUCKET"]
    DEFAULT_PRIVATE_BUCKETS: Final = (DEFAULT_MEDIA_FILES_BUCKET, DEFAULT_STATIC_FILES_BUCKET)

    def __init__(self, bucket_name: str = "", storage_name: str = "default", *args: Any, **kwargs: Any) -> None:
        del args
        refuse_unknown(kwargs)
        given = {key: value for key, value in self._kwargs.items() if key.startswith("MINIO_")}
        if kwargs.get("http_client") is not None:
            given["MINIO_HTTP_CLIENT"] = kwargs["http_client"]
        self.options = Options(given, storage_name)
        self.replace_existing = bool(kwargs.get("replace_existing", False))
        self._upload_options = {name: kwargs[name] for name in UPLOAD_OPTIONS if name in kwargs}
        self.bucket: str = str(bucket_name or self._default_bucket())
        self._check_declared(explicit=bool(bucket_name))
        if not self.options.legacy:
            self.validate_settings()

    # How the storage is set up

    def _default_bucket(self) -> str:
        return str(self.options.get("MINIO_DEFAULT_BUCKET"))

    def _check_declared(self, *, explicit: bool) -> None:
        """Refuse a bucket declared twice; treat an undeclared one as the settings style asks for."""
        both = self.bucket in self.options.private_buckets and self.bucket in self.options.public_buckets
        if both:
            self.options.check_unmixed()
        wanted = explicit or self.options.is_set("MINIO_DEFAULT_BUCKET")
        if not wanted or self.bucket in {*self.PRIVATE_BUCKETS, *self.PUBLIC_BUCKETS}:
            return
        text = f"The bucket {self.bucket!r} is in neither MINIO_PRIVATE_BUCKETS nor MINIO_PUBLIC_BUCKETS"
        if self.options.legacy:
            raise ConfigurationError(f"{text}. Add it to one of them.")
        _log.warning("%s; it is treated as private.", text)

    @property
    def PRIVATE_BUCKETS(self) -> list[str]:  # noqa: N802  the documented name
        """The private buckets: those declared, and the default bucket unless it is declared public."""
        declared = self.options.private_buckets
        default = self._default_bucket()
        undeclared = self.bucket == default and default not in {*declared, *self.options.public_buckets}
        return [*declared, default] if undeclared and not self.options.is_set("MINIO_DEFAULT_BUCKET") else declared

    @property
    def PUBLIC_BUCKETS(self) -> list[str]:  # noqa: N802  the documented name
        """The buckets declared public."""
        return self.options.public_buckets

    @property
    def MINIO_MEDIA_FILES_BUCKET(self) -> str:  # noqa: N802  the documented name
        """The bucket for uploads, by its name of the 3.x releases."""
        return str(self.options.get("MINIO_DEFAULT_BUCKET"))

    @property
    def MINIO_STATIC_FILES_BUCKET(self) -> str:  # noqa: N802  the documented name
        """The bucket for static files."""
        return str(self.options.get("MINIO_STATIC_FILES_BUCKET"))

    @property
    def HTTP_CLIENT(self) -> Any:  # noqa: N802  the documented name
        """The urllib3 PoolManager given in the settings or to the constructor, if any."""
        return self.options.get("MINIO_HTTP_CLIENT")

    @property
    def is_bucket_public(self) -> bool:
        """Whether anyone may read the bucket's objects without a signature."""
        return self.bucket in self.PUBLIC_BUCKETS

    def validate_settings(self) -> None:
        """Raise ConfigurationError that names everything missing or wrong, PrivatePublicMixedError for overlaps."""
        self.options.check_unmixed()
        self.options.check()
        if not (self.PRIVATE_BUCKETS or self.PUBLIC_BUCKETS):
            raise ConfigurationError(
                "No bucket is declared. List at least one in MINIO_PRIVATE_BUCKETS or MINIO_PUBLIC_BUCKETS."
            )

    # The way to the server

    @property
    def connection(self) -> Connection:
        """This process's shared connection to the server."""
        return connection_for(self.options)

    @property
    def client(self) -> Minio:
        """The SDK's client for the internal endpoint."""
        return self.connection.client

    @property
    def client_external(self) -> Minio:
        """An SDK client that signs links for the external endpoint."""
        return self.connection.client_at(self.external_endpoint)

    @property
    def client_fake(self) -> Minio:
        """`client_external` by its name of the 3.x releases."""
        return self.client_external

    @property
    def external_endpoint(self) -> Endpoint:
        """Where browsers reach the server; the internal endpoint unless another is configured."""
        host, secure = (self.options.get(f"MINIO_EXTERNAL_ENDPOINT{end}") for end in ("", "_USE_HTTPS"))
        internal = Endpoint(self.options.get("MINIO_ENDPOINT"), self.options.secure)
        return Endpoint(host or internal.host, internal.secure if secure is None else bool(secure))

    @property
    def same_endpoints(self) -> bool:
        """Whether browsers use the same address as Django."""
        return self.base_url == self.base_url_external

    @property
    def base_url(self) -> str:
        """The internal address, such as `http://minio:9000`."""
        return Endpoint(self.options.get("MINIO_ENDPOINT"), self.options.secure).base_url

    @property
    def base_url_external(self) -> str:
        """The address browsers use."""
        return self.external_endpoint.base_url

    def _uploader(self) -> Uploader:
        return Uploader(self.connection)

    def _transport(self) -> Transport:
        return Transport(self.connection)

    # Django's contract: writing

    def save(self, name: str | None, content: Any, max_length: int | None = None) -> str:
        """Store the content and return the name it got. One request, or one more for each name found taken."""
        token = _saving.set(_Saving(self, max_length))
        try:
            return str(super().save(None if name is None else str(name), content, max_length))
        finally:
            _saving.reset(token)

    def is_name_available(self, name: str, max_length: int | None = None) -> bool:
        """Whether a file can be saved under the name: short enough, and free unless files are replaced.

        During a save only names already found taken count, because the server itself refuses a taken name.
        """
        if max_length and len(name) > max_length:
            return False
        saving = self._current_save()
        if saving is not None and type(self).exists is MinioBackend.exists:
            return name not in saving.taken
        return self.replace_existing or not self.exists(name)

    def _current_save(self) -> _Saving | None:
        saving = _saving.get()
        return saving if saving is not None and saving.storage is self else None

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        """Return a name that is free, no longer than `max_length`."""
        return str(super().get_available_name(name, max_length))

    def _save(self, name: str, content: Any) -> str:
        saving = self._current_save() or _Saving(self, None)
        with Payload(content, self._upload_options.get("progress")) as body:
            return self._store(object_name(name), content, body, saving)

    def _store(self, key: str, content: Any, body: Payload, saving: _Saving) -> str:
        """Upload under the first name that is free, or under the given one if files are replaced."""
        token = _saving.set(saving)
        try:
            while not self._upload(key, content, body, replace=self.replace_existing or key in saving.taken):
                saving.taken.add(key)
                # A subclass that insists on a taken name wants it replaced.
                key = object_name(self.get_available_name(key, saving.max_length))
                body.seek(0)
            return key
        finally:
            _saving.reset(token)

    def _upload(self, key: str, content: Any, body: Payload, *, replace: bool) -> bool:
        headers = upload_headers(key, content, self._upload_options)
        uploader = self._uploader()
        for last in (False, True):
            try:
                if not replace:
                    return uploader.create(self.bucket, key, body, headers)
                uploader.replace(self.bucket, key, body, headers)
                return True
            except Exception as error:
                if last or not self._may_create_bucket(error):
                    raise
                self.initialize_bucket(self.bucket)
                body.seek(0)
        return True

    def _may_create_bucket(self, error: Exception) -> bool:
        missing = getattr(error, "code", None) == "NoSuchBucket"
        return missing and bool(self.options.get("MINIO_BUCKET_CHECK_ON_SAVE"))

    def delete(self, name: str | os.PathLike[str]) -> None:
        """Remove the object; a missing one is fine. Raises ValueError without a name."""
        if not name:
            raise ValueError("The name must be given to delete().")
        key = object_name(name)
        response = self._transport().exchange("DELETE", self.bucket, key)
        if response.status >= 300 and not isinstance(s3_error(response, self.bucket, key), ObjectNotFound):
            self._transport().fail(response, self.bucket, key)

    # Django's contract: reading

    def _open(self, name: str, mode: str = "rb") -> S3File:
        if mode != "rb":
            raise ValueError(f"Objects are opened with mode 'rb', not {mode!r}.")
        return S3File(self, object_name(name), mode)

    def _reader(self, name: str) -> ObjectReader:
        return ObjectReader(self._transport, self.bucket, object_name(name))

    def _head(self, name: str | os.PathLike[str]) -> Mapping[str, str]:
        return self._transport().request("HEAD", self.bucket, object_name(name)).headers

    def exists(self, name: str | os.PathLike[str]) -> bool:
        """Whether there is an object of this name. An unreachable or refusing server is an error, not False."""
        key = object_name(name)
        response = self._transport().exchange("HEAD", self.bucket, key)
        if response.status not in {200, 404}:
            self._transport().fail(response, self.bucket, key)
        return response.status == 200

    def size(self, name: str | os.PathLike[str]) -> int:
        """Return the object's length in bytes. Raises FileNotFoundError if there is none."""
        return int(self._head(name).get("content-length", "0"))

    def get_modified_time(self, name: str | os.PathLike[str]) -> datetime:
        """Return when the object was written: aware with USE_TZ, else in local time."""
        modified = ObjectReader.time_in(self._head(name))
        zone = UTC if settings.USE_TZ else None
        return datetime.fromtimestamp(modified.timestamp(), tz=zone)

    def stat(self, name: str | os.PathLike[str]) -> Object:
        """Return the SDK's description of the object: size, etag, content type, metadata, modification time."""
        key = object_name(name)
        try:
            with explained(self.connection):
                return self.client.stat_object(self.bucket, key)
        except Exception as error:
            if getattr(error, "code", None) not in {"NoSuchKey", "NoSuchObject"}:
                raise
            kind = LegacyObjectNotFound if self.options.legacy else ObjectNotFound
            raise not_found(self.bucket, key, getattr(error, "response", None), kind) from error

    def listdir(self, path: str | os.PathLike[str] = "", **kwargs: Any) -> tuple[list[str], list[str]]:
        """Return the folders and the files directly below `path`, each sorted.

        Further keywords go to the SDK's `list_objects`; with `recursive=True` the files are all those below.
        """
        prefix = prefix_of(path)
        folders, files = set(), set()
        with explained(self.connection):
            for entry in self.client.list_objects(self.bucket, prefix=prefix or None, **kwargs):
                name = (entry.object_name or "").removeprefix(prefix)
                (folders if name.endswith("/") else files).add(name.rstrip("/"))
        return sorted(folders - {""}), sorted(files - {""})

    # Addresses

    def url(
        self,
        name: str | os.PathLike[str] | None,
        *,
        expires: timedelta | float | None = None,
        response_headers: Mapping[str, str] | None = None,
    ) -> str:
        """Return the address a browser can load the object from. Sends no request.

        In a private bucket it is presigned and valid for `expires`, a timedelta or seconds, by default the
        configured time. `response_headers` such as `{"response-content-disposition": "attachment"}` are part
        of a presigned address.
        """
        key = object_name(name)
        if self.is_bucket_public:
            return public_url(self.external_endpoint, self.bucket, key)
        span = self.options.expiry if expires is None else expires
        if not self.url_caching_enabled:
            return self._presigned(key, seconds_of(span), response_headers)
        return self._cached(key, seconds_of(span), response_headers)

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
