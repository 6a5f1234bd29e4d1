"""Objects that get another name without leaving their server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.files.base import ContentFile

from django_minio_backend.deadlines import bounded
from django_minio_backend.errors import ObjectChanged
from django_minio_backend.multipart import MultipartUpload, Parts, text_in
from django_minio_backend.naming import object_name
from django_minio_backend.payload import Payload, Window
from django_minio_backend.saving import Saving
from django_minio_backend.signing import quote_path
from django_minio_backend.stored import DirectUpload
from django_minio_backend.uploading import Uploader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_minio_backend.connection import Connection

__all__ = ["Receiving"]

_MIB = 1024 * 1024
_LARGEST_COPY = 1024 * _MIB
_PART = Parts(512 * _MIB)
"""S3 copies up to 5 GiB in one request; many small ones each end before MINIO_READ_TIMEOUT."""


class Receiving(Saving):
    """The part of `MinioBackend` that saves what browsers have put onto the server themselves."""

    @bounded
    def _save(self, name: str, content: Any) -> str:
        if not isinstance(content, DirectUpload):
            return super()._save(name, content)
        with content.taken():
            if content.lies_on(self.connection):
                return self._copied(object_name(name), content)
            return super()._save(name, content)

    def _copied(self, key: str, upload: DirectUpload) -> str:
        with _CopiedBody(upload) as body:
            return self._store(key, upload, body, self._this_save())

    def _uploader_of(self, body: Payload) -> Uploader:
        if isinstance(body, _CopiedBody):
            return _Copier(self.connection, body.source)
        return super()._uploader_of(body)


class _CopiedBody(Payload):
    """The body of a save whose bytes are on the server: nothing is read or sent."""

    def __init__(self, source: DirectUpload) -> None:
        super().__init__(ContentFile(b""))
        self.source = source


class _Copier(Uploader):
    """Gives an object another name: the same steps as for writing one, with a copy in place of the bytes.

    A name is taken by an empty object, or a claim, and not by a condition of the copy itself: servers that know
    conditions for writes need not know them for copies.
    """

    def __init__(self, connection: Connection, source: DirectUpload) -> None:
        super().__init__(connection)
        self._source = source

    def create(
        self, bucket: str, name: str, body: Payload, headers: Mapping[str, str], parts: Parts | None = None
    ) -> bool:
        """Copy the object unless the name is taken; return whether it was copied."""
        return self._create_by_replacing(bucket, name, body, headers, parts)

    def replace(
        self, bucket: str, name: str, body: Payload, headers: Mapping[str, str], parts: Parts | None = None
    ) -> None:
        """Copy the object, replacing any other of its name."""
        del body, parts
        if self._source.size > _LARGEST_COPY:
            _CopyInParts(self.connection, bucket, name, headers, self._source).copy()
            return
        told = {"x-amz-metadata-directive": "REPLACE", "x-amz-tagging-directive": "REPLACE"}
        answer = self.exchange("PUT", bucket, name, headers={**headers, **told, **_source_headers(self._source)})
        _check_copied(self, answer, bucket, name, self._source)


class _CopyInParts(MultipartUpload):
    """A large object on its way to another name."""

    def __init__(
        self, connection: Connection, bucket: str, name: str, headers: Mapping[str, str], source: DirectUpload
    ) -> None:
        super().__init__(connection, bucket, name, headers)
        self._source = source

    def copy(self) -> None:
        """Copy the parts and complete."""
        self.run(Window.of(b""), _PART, conditional=False)

    def _send_all(self, body: Window, parts: Parts) -> list[str]:
        del body
        total = self._source.size
        step = parts.fitted(total)
        ranges = [(start, min(start + step, total) - 1) for start in range(0, total, step)]
        return [self._copy_part(number, first, last) for number, (first, last) in enumerate(ranges, 1)]

    def _copy_part(self, number: int, first: int, last: int) -> str:
        headers = {**_source_headers(self._source), "x-amz-copy-source-range": f"bytes={first}-{last}"}
        answer = self.exchange("PUT", self._bucket, self._name, query=self._part_query(number), headers=headers)
        _check_copied(self, answer, self._bucket, self._name, self._source)
        return text_in(answer.data, "ETag")


def _source_headers(source: DirectUpload) -> dict[str, str]:
    """Return the headers that name the object, and the version of it that was looked at."""
    bucket, key = source.place
    return {"x-amz-copy-source": quote_path(f"/{bucket}/{key}"), "x-amz-copy-source-if-match": source.etag}


def _check_copied(
    transport: Uploader | MultipartUpload, answer: Any, bucket: str, name: str, source: DirectUpload
) -> None:
    if answer.status in {404, 412} and b"NoSuchBucket" not in answer.data:
        raise ObjectChanged(f"The upload of {source.name!r} was replaced or removed before it was saved.")
    if answer.status >= 300 or b"<Error>" in answer.data:  # S3 may report a failure under status 200
        transport.fail(answer, bucket, name)
