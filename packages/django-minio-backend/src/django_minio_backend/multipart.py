"""Large objects in parts: each part is retried alone, and the whole appears at once or not at all."""

from __future__ import annotations

import itertools
import logging
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from django_minio_backend.deadlines import grace
from django_minio_backend.errors import ServerUnreachable
from django_minio_backend.payload import Window
from django_minio_backend.transport import SAVE_ID, Transport

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from django_minio_backend.connection import Connection

__all__ = ["MultipartUpload", "Parts", "completion_of", "text_in", "windows_of"]

_log = logging.getLogger(__name__)
_MOST_PARTS = 10_000
_MIB = 1024 * 1024


@dataclass(frozen=True)
class Parts:
    """How an upload is cut: bytes per part, and how many parts are under way (and in memory) at a time."""

    size: int
    parallel: int = 1

    def fitted(self, total: int) -> int:
        """Return the bytes per part for an object of `total` bytes: S3 takes 10,000 parts at most."""
        least = -(-total // _MOST_PARTS)
        return max(self.size, -(-least // _MIB) * _MIB)


class MultipartUpload(Transport):
    """One object on its way in parts. Whatever goes wrong, the parts are removed from the server."""

    def __init__(self, connection: Connection, bucket: str, name: str, headers: Mapping[str, str]) -> None:
        super().__init__(connection)
        self._bucket, self._name = bucket, name
        self._save_id = secrets.token_hex(16)
        marked = {**headers, SAVE_ID: self._save_id}
        started = self.request("POST", bucket, name, query=[("uploads", "")], headers=marked)
        self._upload_id = text_in(started.data, "UploadId")

    def run(self, body: Window, parts: Parts, *, conditional: bool) -> bool:
        """Send the parts and complete; return False only if `conditional` and the name turned out taken."""
        stored = False
        try:
            stored = self._complete(self._send_all(body, parts), conditional=conditional)
        finally:
            if not stored:
                self._abort()
        return stored

    def _send_all(self, body: Window, parts: Parts) -> list[str]:
        """Send all parts; return their etags in order."""
        windows = windows_of(body, parts)
        if parts.parallel <= 1:
            return [self._send(number, window) for number, window in enumerate(windows, 1)]
        tags: list[str] = []
        with ThreadPoolExecutor(parts.parallel) as pool:
            while batch := [window.in_memory() for window in itertools.islice(windows, parts.parallel)]:
                numbered = enumerate(batch, len(tags) + 1)
                # Each in a copy of this context, which holds the deadline.
                sent = [pool.submit(copy_context().run, self._send, number, window) for number, window in numbered]
                tags += [part.result() for part in sent]
        return tags

    def _send(self, number: int, window: Window) -> str:
        query = self._part_query(number)
        return self.request("PUT", self._bucket, self._name, query=query, body=window).headers["etag"]

    def _part_query(self, number: int) -> list[tuple[str, str]]:
        return [("partNumber", str(number)), ("uploadId", self._upload_id)]

    def _complete(self, tags: list[str], *, conditional: bool) -> bool:
        body = Window.of(completion_of(dict(enumerate(tags, 1))))
        headers = {"content-type": "application/xml"} | ({"if-none-match": "*"} if conditional else {})
        query = [("uploadId", self._upload_id)]
        try:
            answer = self.exchange("POST", self._bucket, self._name, query=query, headers=headers, body=body)
        except ServerUnreachable:
            if self._arrived():
                return True
            raise
        if conditional and answer.status == 412:
            return False
        if answer.status >= 300 or b"<Error>" in answer.data:  # S3 may report a failure under status 200
            self.fail(answer, self._bucket, self._name)
        return True

    def _arrived(self) -> bool:
        """Tell whether the object was completed although the answer was lost."""
        answer = self.exchange("HEAD", self._bucket, self._name)
        return answer.headers.get(SAVE_ID) == self._save_id

    def _abort(self) -> None:
        """Remove the parts. A failure is only logged: the error that led here matters more."""
        try:
            with grace():
                self.request("DELETE", self._bucket, self._name, query=[("uploadId", self._upload_id)])
        except Exception as error:  # noqa: BLE001
            _log.warning("The unfinished upload of %s to %s stays on the server: %s", self._name, self._bucket, error)


def windows_of(body: Window, parts: Parts) -> Iterator[Window]:
    """Yield the stretches of a body that are its parts."""
    size = parts.fitted(body.size)
    for start in range(0, max(body.size, 1), size):
        yield Window(body, start, min(size, body.size - start))


def completion_of(tags: Mapping[int, str]) -> bytes:
    """Return the document that completes an upload of parts with these etags by their numbers."""
    document = ET.Element("CompleteMultipartUpload")
    for number, tag in sorted(tags.items()):
        part = ET.SubElement(document, "Part")
        ET.SubElement(part, "PartNumber").text = str(number)
        ET.SubElement(part, "ETag").text = tag
    return ET.tostring(document)


def text_in(document: bytes, tag: str) -> str:
    """Return the text of the first element of this name. Raises ServerUnreachable if there is none."""
    for element in ET.fromstring(document).iter():  # noqa: S314  the configured server's answer
        if element.tag.rpartition("}")[2] == tag and element.text:
            return element.text
    raise ServerUnreachable(f"The S3 server's answer has no {tag}; is MINIO_ENDPOINT an S3 server?")
