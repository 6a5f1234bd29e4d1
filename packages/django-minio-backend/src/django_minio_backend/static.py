"""`MinioBackendStatic`: static files in a bucket of their own."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django_minio_backend.collecting import Collection, Known
from django_minio_backend.deadlines import deadline
from django_minio_backend.errors import not_found
from django_minio_backend.etags import etag_of
from django_minio_backend.naming import object_name
from django_minio_backend.payload import Payload
from django_minio_backend.storage import MinioBackend, in_zone
from django_minio_backend.transport import explained

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from django.core.files.base import File

    from django_minio_backend.reading import S3File

__all__ = ["MinioBackendStatic"]

_THREADS = 8


class MinioBackendStatic(MinioBackend):
    """A storage for `collectstatic`: the bucket is MINIO_STATIC_FILES_BUCKET, and anyone may read it.

    A bucket that is declared private stays private; its links are presigned. Building it sends no request:
    `initialize_buckets`, or MINIO_CONSISTENCY_CHECK_ON_START, creates the bucket.
    """

    _collection: Collection | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("storage_name", "staticfiles")
        super().__init__(*args, **kwargs)

    def _default_bucket(self) -> str:
        return self.MINIO_STATIC_FILES_BUCKET

    def _check_declared(self, *, explicit: bool) -> None:
        """Static files need no declaration: undeclared means public."""
        if self.bucket in self.options.private_buckets:
            super()._check_declared(explicit=explicit)

    @property
    def PRIVATE_BUCKETS(self) -> list[str]:  # noqa: N802  the documented name
        """The buckets declared private."""
        return self.options.private_buckets

    @property
    def PUBLIC_BUCKETS(self) -> list[str]:  # noqa: N802  the documented name
        """The buckets declared public, and the static files' one unless it is declared private."""
        declared = self.options.public_buckets
        return declared if self.bucket in {*declared, *self.PRIVATE_BUCKETS} else [*declared, self.bucket]

    @property
    def attachment_types(self) -> tuple[str, ...]:
        """None: pages, scripts and drawings of the site itself are there to be shown."""
        return ()

    @contextmanager
    def collecting(self, progress: Callable[[int, int], None] = lambda _done, _begun: None) -> Iterator[None]:
        """Fill the bucket inside the block: one listing answers what is there, and uploads run side by side.

        Files whose content is there already are not uploaded; an existing name is replaced. Everything is stored
        when the block ends. Within it the storage is for one thread. `num_parallel_uploads` uploads (8) run at a
        time; `progress` is called with the numbers of uploads done and begun.
        """
        threads = int(self._upload_options.get("num_parallel_uploads", _THREADS))
        with deadline(self.total_timeout), explained(self.connection):
            listing = self.connection.ask(lambda sdk: list(sdk.list_objects(self.bucket, recursive=True)))
        collection = Collection(listing, self._put, super().delete, threads, progress)
        self._collection = collection
        try:
            yield
            collection.finish()
        finally:
            self._collection = None
            collection.close()

    def holds(self, name: str | os.PathLike[str], content: Any) -> bool:
        """Whether the object has just this content. Within `collecting()` no request is sent."""
        with Payload(content) as body:
            if self._collection is not None:
                return self._collection.holds(object_name(name), body.size, lambda: self._etag(body))
            return self.exists(name) and self._head(name).get("etag", "").strip('"') == self._etag(body)

    def _put(self, key: str, body: Payload) -> None:
        with deadline(self.total_timeout):
            self._upload(key, None, body, replace=True)

    def _etag(self, body: Payload) -> str:
        return etag_of(body, self._parts(body.size))

    def _known(self, collection: Collection, name: str | os.PathLike[str]) -> Known:
        known = collection.get(object_name(name))
        if known is None:
            raise not_found(self.bucket, object_name(name))
        return known

    def exists(self, name: str | os.PathLike[str]) -> bool:
        """Whether there is an object of this name."""
        if self._collection is None:
            return super().exists(name)
        return self._collection.get(object_name(name)) is not None

    def size(self, name: str | os.PathLike[str]) -> int:
        """Return the object's length in bytes. Raises FileNotFoundError if there is none."""
        return super().size(name) if self._collection is None else self._known(self._collection, name).size

    def get_modified_time(self, name: str | os.PathLike[str]) -> datetime:
        """Return when the object was written: aware with USE_TZ, else in local time."""
        if self._collection is None:
            return super().get_modified_time(name)
        return in_zone(self._known(self._collection, name).modified)

    def delete(self, name: str | os.PathLike[str]) -> None:
        """Remove the object; a missing one is fine. Raises ValueError without a name."""
        if self._collection is None or not name:
            super().delete(name)
        else:
            self._collection.delete(object_name(name))

    def collected_from(self, name: str | os.PathLike[str], source: Callable[[], File[bytes]]) -> None:
        """Say where the content of a file comes from: within `collecting()` it is opened there.

        Django opens a file again for its hash while it rewrites the links of other files.
        """
        if self._collection is not None:
            self._collection.sources[object_name(name)] = source

    def _open(self, name: str, mode: str = "rb") -> S3File | File[bytes]:  # type: ignore[override]
        if self._collection is not None:
            self._known(self._collection, name)
            if source := self._collection.sources.get(object_name(name)):
                return source()
            self._collection.settle(object_name(name))
        return super()._open(name, mode)

    def _save(self, name: str, content: Any) -> str:
        if self._collection is None:
            return super()._save(name, content)
        key = object_name(name)
        self._collection.sources.pop(key, None)
        with Payload(content) as body:
            self._collection.write(key, body, self._etag(body))
        return key
