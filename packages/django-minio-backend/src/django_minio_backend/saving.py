"""Saving and deleting: names are taken on the server itself, so that two saves never share one."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.core.exceptions import SuspiciousFileOperation
from django.core.files.storage import Storage

from django_minio_backend.administration import Administration
from django_minio_backend.claiming import CLAIMS
from django_minio_backend.deadlines import bounded
from django_minio_backend.errors import s3_error
from django_minio_backend.headers import upload_headers
from django_minio_backend.multipart import Parts
from django_minio_backend.naming import object_name
from django_minio_backend.payload import Payload
from django_minio_backend.uploading import Uploader

if TYPE_CHECKING:
    import os

__all__ = ["Saving"]

_MIB = 1024 * 1024
_LARGE = 64 * _MIB
_PART = 16 * _MIB


@dataclass
class _Save:
    """A save under way: names found taken so far, and how long a name may be."""

    storage: object
    max_length: int | None
    taken: set[str] = field(default_factory=set)


_current: ContextVar[_Save | None] = ContextVar("current_save", default=None)


class Saving(Administration, Storage):
    """The writing half of `MinioBackend`."""

    @bounded
    def save(self, name: str | None, content: Any, max_length: int | None = None) -> str:
        """Store the content and return the name it got. One request, or one more for each name found taken."""
        token = _current.set(_Save(self, max_length))
        try:
            return str(super().save(None if name is None else str(name), content, max_length))
        finally:
            _current.reset(token)

    def is_name_available(self, name: str, max_length: int | None = None) -> bool:
        """Whether a file can be saved under the name: short enough, and free unless files are replaced.

        During a save only names already found taken count, because the server itself refuses a taken name.
        """
        if max_length and len(name) > max_length:
            return False
        saving = self._current_save()
        if saving is not None and not self._asks_exists_itself():
            return name not in saving.taken
        return self.replace_existing or not self.exists(name)

    def _asks_exists_itself(self) -> bool:
        """Whether a subclass decides by its own `exists()` which names are free."""
        return not type(self).exists.__module__.startswith("django_minio_backend.")

    def _current_save(self) -> _Save | None:
        saving = _current.get()
        return saving if saving is not None and saving.storage is self else None

    def get_alternative_name(self, file_root: str, file_ext: str) -> str:
        """Return the next name to try for a taken one; where files are replaced, the same, as Django does."""
        return (
            f"{file_root}{file_ext}"
            if self.replace_existing
            else str(super().get_alternative_name(file_root, file_ext))
        )

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        """Return a name that is free, no longer than `max_length`."""
        return str(super().get_available_name(name, max_length))

    @bounded
    def _save(self, name: str, content: Any) -> str:
        with Payload(content, self._upload_options.get("progress")) as body:
            return self._store(object_name(name), content, body, self._this_save())

    def _this_save(self) -> _Save:
        """Return the save under way, or a new one where `_save` is called without `save`."""
        return self._current_save() or _Save(self, None)

    def _store(self, key: str, content: Any, body: Payload, saving: _Save) -> str:
        """Upload under the first name that is free, or under the given one if files are replaced."""
        if key.startswith(CLAIMS):
            raise SuspiciousFileOperation(f"Names that begin with {CLAIMS!r} are for saves under way, not {key!r}.")
        token = _current.set(saving)
        try:
            while not self._upload(key, content, body, replace=self.replace_existing or key in saving.taken):
                saving.taken.add(key)
                # A subclass that insists on a taken name wants it replaced.
                key = object_name(self.get_available_name(key, saving.max_length))
                body.seek(0)
            return key
        finally:
            _current.reset(token)

    def _upload(self, key: str, content: Any, body: Payload, *, replace: bool) -> bool:
        """Send the object; return False if the name is taken. A missing bucket is created if the settings say so."""
        headers = upload_headers(key, content, self._upload_options, self.attachment_types)
        body.announce(key)
        try:
            stored = self._send(key, body, headers, replace=replace)
        except Exception as error:
            if not self._may_create_bucket(error):
                raise
            self.initialize_bucket(self.bucket)
            body.seek(0)
            stored = self._send(key, body, headers, replace=replace)
        if stored:
            body.arrived()
        return stored

    def _send(self, key: str, body: Payload, headers: dict[str, str], *, replace: bool) -> bool:
        uploader, parts = self._uploader_of(body), self._parts(body.size)
        if not replace:
            return uploader.create(self.bucket, key, body, headers, parts)
        uploader.replace(self.bucket, key, body, headers, parts)
        return True

    def _parts(self, size: int) -> Parts | None:
        """Return how to cut an upload, or None for one request: the rule up to 64 MiB."""
        if self.options.get("MINIO_MULTIPART_UPLOAD") and size >= self.options.get("MINIO_MULTIPART_THRESHOLD"):
            parallel = self._upload_options.get("num_parallel_uploads", 3)
            return Parts(int(self.options.get("MINIO_MULTIPART_PART_SIZE")), int(parallel))
        return Parts(_PART) if size > _LARGE else None

    def _may_create_bucket(self, error: Exception) -> bool:
        missing = getattr(error, "code", None) == "NoSuchBucket"
        return missing and bool(self.options.get("MINIO_BUCKET_CHECK_ON_SAVE"))

    @bounded
    def delete(self, name: str | os.PathLike[str]) -> None:
        """Remove the object; a missing one is fine. Raises ValueError without a name."""
        if not name:
            raise ValueError("The name must be given to delete().")
        key = object_name(name)
        response = self._transport().exchange("DELETE", self.bucket, key)
        if response.status >= 300 and s3_error(response, self.bucket, key).code != "NoSuchKey":
            self._transport().fail(response, self.bucket, key)

    def _uploader_of(self, body: Payload) -> Uploader:  # noqa: ARG002  a body may have a way of its own
        return Uploader(self.connection)
