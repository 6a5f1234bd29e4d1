"""The set-up of a storage: its settings, its bucket, and the way to its server."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from django_minio_backend import epoch
from django_minio_backend.arguments import UPLOAD_OPTIONS, ConstructorArguments, credentials_held, refuse_unknown
from django_minio_backend.connection import Connection, Endpoint, connection_for
from django_minio_backend.errors import ConfigurationError
from django_minio_backend.minio_settings import DEFAULT_BUCKET, STATIC_FILES_BUCKET
from django_minio_backend.options import Options
from django_minio_backend.transport import Transport

if TYPE_CHECKING:
    from minio import Minio

__all__ = ["ConfiguredStorage"]

_log = logging.getLogger("django_minio_backend.models")


class _BucketSetting:
    """A bucket's name as the settings have it: of a storage, and of the class, where the 3.x releases have it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, storage: ConfiguredStorage | None, cls: type[ConfiguredStorage]) -> str:
        options = Options({}) if storage is None else storage.options
        return str(options.get(self._name))


class ConfiguredStorage(ConstructorArguments):
    """What every part of `MinioBackend` stands on."""

    DEFAULT_MEDIA_FILES_BUCKET: Final = DEFAULT_BUCKET
    DEFAULT_STATIC_FILES_BUCKET: Final = STATIC_FILES_BUCKET
    DEFAULT_PRIVATE_BUCKETS: Final = (DEFAULT_MEDIA_FILES_BUCKET, DEFAULT_STATIC_FILES_BUCKET)
    MINIO_MEDIA_FILES_BUCKET = _BucketSetting("MINIO_DEFAULT_BUCKET")
    """The bucket for uploads, by its name of the 3.x releases."""
    MINIO_STATIC_FILES_BUCKET = _BucketSetting("MINIO_STATIC_FILES_BUCKET")
    """The bucket for static files."""

    def __init__(self, bucket_name: str = "", storage_name: str = "default", *args: Any, **kwargs: Any) -> None:
        del args
        refuse_unknown(kwargs)
        # A subclass may pass on other keywords than it was built with.
        given = {
            key: value
            for key, value in {**self._kwargs, **credentials_held(kwargs)}.items()
            if key.startswith("MINIO_")
        }
        if kwargs.get("http_client") is not None:
            given["MINIO_HTTP_CLIENT"] = kwargs["http_client"]
        self.options = Options(given, storage_name)
        self._kept: tuple[object, Connection] | None = None
        self.replace_existing = bool(kwargs.get("replace_existing", False))
        self._upload_options: dict[str, Any] = {name: kwargs[name] for name in UPLOAD_OPTIONS if name in kwargs}
        self.bucket: str = str(bucket_name or self._default_bucket())
        self._check_declared(explicit=bool(bucket_name))
        if not self.options.legacy:
            self.validate_settings()

    def _default_bucket(self) -> str:
        return str(self.options.get("MINIO_DEFAULT_BUCKET"))

    def _check_declared(self, *, explicit: bool) -> None:
        """Refuse a bucket declared twice; treat an undeclared one as the settings style asks for."""
        both = self.bucket in self.options.private_buckets and self.bucket in self.options.public_buckets
        if both:
            self.options.check_unmixed()
        wanted = explicit or self.options.is_set("MINIO_DEFAULT_BUCKET")
        declared = {*self.PRIVATE_BUCKETS, *self.PUBLIC_BUCKETS, *self.options.get("MINIO_BUCKETS")}
        if not wanted or self.bucket in declared:
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

    @property
    def connection(self) -> Connection:
        """This process's shared connection to the server."""
        now = epoch.current()
        if self._kept is None or self._kept[0] is not now:
            self._kept = (now, connection_for(self.options))
        return self._kept[1]

    @property
    def total_timeout(self) -> float | None:
        """Seconds that an operation may take in all; None for no bound."""
        seconds: float | None = self.options.get("MINIO_TOTAL_TIMEOUT")
        return seconds

    @property
    def attachment_types(self) -> tuple[str, ...]:
        """The content types that browsers are told to download."""
        types: tuple[str, ...] = self.options.get("MINIO_ATTACHMENT_TYPES")
        return types

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

    def _transport(self) -> Transport:
        return Transport(self.connection)
