"""Objects that no database row refers to, and rows that refer to no object."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.files.storage import DefaultStorage, storages
from django.db.models import FileField

from django_minio_backend.naming import object_name
from django_minio_backend.static import MinioBackendStatic
from django_minio_backend.storage import MinioBackend
from django_minio_backend.transport import explained

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from minio import Minio

__all__ = ["BucketUse", "buckets_in_use"]


@dataclass
class BucketUse:
    """A bucket that file fields store in."""

    storage: MinioBackend

    def objects(self, prefix: str, older_than: timedelta) -> list[str]:
        """Return the names of the bucket's objects below `prefix` that were written at least so long ago."""
        latest, connection = datetime.now(UTC) - older_than, self.storage.connection
        with explained(connection):
            return connection.ask(lambda sdk: list(self._written(sdk, prefix, latest)))

    def _written(self, sdk: Minio, prefix: str, latest: datetime) -> Iterator[str]:
        for entry in sdk.list_objects(self.storage.bucket, prefix=prefix or None, recursive=True):
            if entry.object_name and entry.last_modified and entry.last_modified <= latest:
                yield entry.object_name

    def orphans(self, prefix: str, older_than: timedelta) -> list[str]:
        """Return the objects that no field refers to. Referring rows are looked up after the listing."""
        candidates = self.objects(prefix, older_than)
        referred = set(_names(self.storage))
        return [name for name in candidates if name not in referred and not self._is_arriving(name)]

    def _is_arriving(self, name: str) -> bool:
        """Whether a browser has put it there and its form may yet be sent; the lifecycle removes it if not."""
        incoming = self.storage.options.get("MINIO_INCOMING_PREFIX")
        return bool(incoming) and name.startswith(incoming)

    def missing(self) -> list[str]:
        """Return the names that fields refer to and that have no object."""
        present = set(self.objects("", timedelta(0)))
        return sorted({object_name(name) for name in _names(self.storage)} - present)


def buckets_in_use(only: Iterable[str] = ()) -> list[BucketUse]:
    """Return each bucket that at least one FileField stores in, limited to the buckets `only` if given.

    A declared bucket without such a field is left out: whoever fills it is not known here.
    """
    wanted = set(only)
    found: dict[tuple[str, str], BucketUse] = {}
    for _, storage in _file_fields():
        if not wanted or storage.bucket in wanted:
            found.setdefault(_place(storage), BucketUse(storage))
    return list(found.values())


def _place(storage: MinioBackend) -> tuple[str, str]:
    return storage.base_url, storage.bucket


def _names(storage: MinioBackend) -> Iterator[str]:
    """Yield every name that rows keep in the storage's bucket, as it is and as the key it stands for."""
    for file_field, its_storage in _file_fields():
        if _place(its_storage) == _place(storage):
            values = file_field.model._base_manager.values_list(file_field.attname, flat=True)
            for name in filter(None, values.iterator()):
                yield from (name, posixpath.normpath(name.replace("\\", "/")))


def _file_fields() -> Iterator[tuple[FileField, MinioBackend]]:
    """Yield the file fields of all models that store in one of our storages, static files excepted."""
    for model in apps.get_models(include_auto_created=True):
        for model_field in () if model._meta.proxy else model._meta.local_fields:
            if isinstance(model_field, FileField):
                storage = _behind(model_field.storage)
                if isinstance(storage, MinioBackend) and not isinstance(storage, MinioBackendStatic):
                    yield model_field, storage


def _behind(storage: Any) -> Any:
    """Return the storage that Django's lazy `default_storage` stands for."""
    if isinstance(storage, DefaultStorage):
        return storages["default"]
    return storage
