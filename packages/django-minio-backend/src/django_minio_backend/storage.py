"""`MinioBackend`: Django's storage contract on an S3 server."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings

from django_minio_backend.asynchronous import Asynchronous
from django_minio_backend.claiming import CLAIMS
from django_minio_backend.copying import Receiving
from django_minio_backend.deadlines import bounded, deadline
from django_minio_backend.errors import LegacyObjectNotFound, ObjectNotFound, not_found
from django_minio_backend.linking import Linking
from django_minio_backend.naming import object_name, prefix_of
from django_minio_backend.reading import ObjectReader, S3File
from django_minio_backend.transport import explained

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from minio import Minio
    from minio.datatypes import Object

__all__ = ["MinioBackend", "in_zone"]


def in_zone(moment: datetime) -> datetime:
    """Return a time as Django's storages give it: aware with USE_TZ, else in local time."""
    return datetime.fromtimestamp(moment.timestamp(), tz=UTC if settings.USE_TZ else None)


class MinioBackend(Linking, Receiving, Asynchronous):
    """A Django storage that keeps files as objects of one bucket.

    `bucket_name` is the bucket; without it the configured default. `storage_name` is the alias in STORAGES
    whose OPTIONS fill in what the keywords leave out. Further keywords: every setting of the README;
    `replace_existing` to overwrite instead of choosing another name; `http_client`, a urllib3 PoolManager;
    and for uploads `metadata`, `sse`, `progress`, `tags`, `retention`, `legal_hold`, `num_parallel_uploads`.

    Building a storage sends no request. Raises ConfigurationError or PrivatePublicMixedError.
    """

    @bounded
    def _open(self, name: str, mode: str = "rb") -> S3File:
        if mode != "rb":
            raise ValueError(f"Objects are opened with mode 'rb', not {mode!r}.")
        return S3File(self, object_name(name), mode)

    def _reader(self, name: str) -> ObjectReader:
        return ObjectReader(self._transport, self.bucket, object_name(name))

    def _head(self, name: str | os.PathLike[str]) -> Mapping[str, str]:
        return self._transport().request("HEAD", self.bucket, object_name(name)).headers

    @bounded
    def exists(self, name: str | os.PathLike[str]) -> bool:
        """Whether there is an object of this name. An unreachable or refusing server is an error, not False."""
        key = object_name(name)
        response = self._transport().exchange("HEAD", self.bucket, key)
        if response.status not in {200, 404}:
            self._transport().fail(response, self.bucket, key)
        return response.status == 200

    @bounded
    def size(self, name: str | os.PathLike[str]) -> int:
        """Return the object's length in bytes. Raises FileNotFoundError if there is none."""
        return int(self._head(name).get("content-length", "0"))

    @bounded
    def get_modified_time(self, name: str | os.PathLike[str]) -> datetime:
        """Return when the object was written: aware with USE_TZ, else in local time."""
        return in_zone(ObjectReader.time_in(self._head(name)))

    @bounded
    def stat(self, name: str | os.PathLike[str]) -> Object:
        """Return the SDK's description of the object: size, etag, content type, metadata, modification time."""
        key = object_name(name)
        try:
            with explained(self.connection):
                return self.connection.ask(lambda sdk: sdk.stat_object(self.bucket, key))
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
        with deadline(self.total_timeout), explained(self.connection):
            names = self.connection.ask(lambda sdk: self._names_below(sdk, prefix, kwargs))
        folders = {name.rstrip("/") for name in names if name.endswith("/")}
        files = {name for name in names if not name.endswith("/")}
        return sorted(folders - {""}), sorted(files - {""})

    def _names_below(self, sdk: Minio, prefix: str, how: Mapping[str, Any]) -> set[str]:
        """Return the names below a prefix, without it; those of folders end with a slash."""
        listing = sdk.list_objects(self.bucket, prefix=prefix or None, **how)
        names = (entry.object_name or "" for entry in listing)
        return {name.removeprefix(prefix) for name in names if not name.startswith(CLAIMS)}
