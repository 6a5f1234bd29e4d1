"""`DirectUpload`: a file that a browser has put onto the S3 server by itself."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.core.exceptions import SuspiciousOperation
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import UploadedFile

from django_minio_backend.deadlines import grace
from django_minio_backend.payload import Payload
from django_minio_backend.reading import S3File
from django_minio_backend.uploading import Uploader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_minio_backend.connection import Connection
    from django_minio_backend.storage import MinioBackend

    _UploadedFile = UploadedFile[bytes]
else:
    _UploadedFile = UploadedFile

__all__ = ["DirectUpload", "UploadAlreadyUsed"]

_log = logging.getLogger(__name__)
_TAKEN = ".taken"


class UploadAlreadyUsed(SuspiciousOperation):
    """One upload was saved twice: a form was sent again while its first submission was being saved."""


class DirectUpload(_UploadedFile):
    """A file that lies in a storage's bucket and waits to be saved under its final name.

    A storage on the same server copies it there without its bytes passing through Django; any other reads it.
    Reading it opens the object. `name` is what the user called it, without folders and control characters; `etag`
    is the version that was looked at.
    """

    size: int

    def __init__(self, storage: MinioBackend, key: str, *, name: str, size: int, content_type: str, etag: str) -> None:
        self._storage, self._key = storage, key
        self._opened: S3File | None = None
        self.etag = etag
        super().__init__(None, name, content_type, size)

    @property
    def file(self) -> S3File:
        """The object, opened for reading when it is first asked for."""
        if self._opened is None:
            self._opened = S3File(self._storage, self._key)
        return self._opened

    @file.setter
    def file(self, value: Any) -> None:
        self._opened = value

    def open(self, mode: str | None = None, *args: Any, **kwargs: Any) -> DirectUpload:  # noqa: ARG002
        """Go back to the start."""
        self.file.open(mode)
        return self

    def close(self) -> None:
        """Give the connection back, if the object was opened."""
        if self._opened is not None:
            self._opened.close()

    @property
    def closed(self) -> bool:
        """Whether reading needs another `open()`."""
        return self._opened is not None and self._opened.closed

    @property
    def place(self) -> tuple[str, str]:
        """Bucket and key of the object."""
        return self._storage.bucket, self._key

    def lies_on(self, connection: Connection) -> bool:
        """Whether the object can be copied over this connection."""
        return self._storage.connection is connection

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Save the upload inside the block: nobody else can, and afterwards it is gone from where it arrived.

        Raises UploadAlreadyUsed if it is being saved, or was, by somebody else.
        """
        bucket, key = self.place
        uploader = Uploader(self._storage.connection)
        with Payload(ContentFile(b"")) as mark:
            if not uploader.create(bucket, key + _TAKEN, mark, {}):
                raise UploadAlreadyUsed(f"The upload of {self.name!r} has been used already.")
        try:
            yield
        except BaseException:
            self._remove(key + _TAKEN)
            raise
        self.discard()

    def discard(self) -> None:
        """Remove the upload from where it arrived, so that it cannot be used again; a save does so by itself."""
        # In this order: while the object is there, the mark keeps it from being used twice.
        if self._remove(self._key):
            self._remove(self._key + _TAKEN)

    def _remove(self, key: str) -> bool:
        """Remove an object. A failure is only logged: the save is decided, and the bucket's lifecycle tidies up."""
        try:
            with grace():
                Uploader(self._storage.connection).request("DELETE", self._storage.bucket, key)
        except Exception as error:  # noqa: BLE001
            _log.warning("%s stays in the bucket %s: %s", key, self._storage.bucket, error)
            return False
        return True
