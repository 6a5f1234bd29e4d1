"""Reading objects as files: streamed, seekable by ranges, and always of one version of the object."""

from __future__ import annotations

import io
import os
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Protocol

import urllib3
from django.core.files.base import File

from django_minio_backend.deadlines import check_deadline, deadline, has_deadline
from django_minio_backend.errors import DeadlineExceeded, ObjectChanged, ServerUnreachable
from django_minio_backend.transport import reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from django_minio_backend.transport import Transport

    _BinaryFile = File[bytes]
else:
    _BinaryFile = File

__all__ = ["ObjectReader", "S3File"]

_WORTH_DRAINING = 64 * 1024
_RESUMES = 5
_BUFFER = 64 * 1024


class ObjectReader(io.RawIOBase):
    """The bytes of one object. The first request is sent at once, so that a missing object shows at opening.

    Reading goes on where it broke off if the connection fails, and after a seek, with a request for the rest;
    each such request is bound to the version that was opened, else ObjectChanged is raised.
    """

    def __init__(self, transport: Callable[[], Transport], bucket: str, name: str) -> None:
        super().__init__()
        self._transport, self._bucket, self._name = transport, bucket, name
        self._position = 0
        self._process = os.getpid()
        # A reader is closed when it is collected, also one whose first request fails and leaves no answer behind.
        self._response: urllib3.BaseHTTPResponse | None = None
        self._at = 0
        self._response = response = self._get({})
        self.headers = response.headers
        self.size = int(self.headers.get("content-length", "0"))
        self.etag = self.headers.get("etag", "")

    @property
    def last_modified(self) -> datetime:
        """When the opened version was written, in UTC."""
        return self.time_in(self.headers)

    @staticmethod
    def time_in(headers: Mapping[str, str]) -> datetime:
        """Return the time of modification that an answer's headers give, in UTC."""
        return parsedate_to_datetime(headers["last-modified"])

    def readable(self) -> bool:
        """Objects can be read."""
        return True

    def seekable(self) -> bool:
        """Any position can be read from."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a position. No request is sent before the next read."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence]
        if start + offset < 0:
            raise ValueError(f"The position {start + offset} lies before the start of {self._name!r}.")
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        """Read into a buffer; return how many bytes."""
        with deadline(self._transport().connection.total_timeout):
            block = self._next(len(buffer))
        buffer[: len(block)] = block
        return len(block)

    def readall(self) -> bytes:
        """Read all that is left, in as few steps as the network allows."""
        blocks = []
        with deadline(self._transport().connection.total_timeout):
            while block := self._next(max(self.size - self._position, 0)):
                blocks.append(block)
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    def close(self) -> None:
        """Give the connection back to the pool, or drop it if much is left unread."""
        if not self.closed:
            self._release()
        super().close()

    def _next(self, size: int) -> bytes:
        """Return up to `size` bytes from the position on; nothing only at the end."""
        if self.closed:
            raise ValueError("I/O operation on closed file.")
        size = min(size, self.size - self._position)
        if size <= 0:
            return b""
        check_deadline()
        for attempt in range(_RESUMES):
            try:
                answer = self._stream()
                # What is there, so that the deadline is looked at in between; without one, all in one step.
                block: bytes = answer.read1(size) if has_deadline() else answer.read(size)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                self._drop()
                if isinstance(error, (ObjectChanged, DeadlineExceeded)) or attempt == _RESUMES - 1:
                    raise self._cut_off(error) from error
                continue
            if block:
                self._position += len(block)
                self._at = self._position
                return block
            self._drop()
        raise self._cut_off(EOFError("the answer ended early"))

    def _cut_off(self, error: BaseException) -> BaseException:
        if isinstance(error, OSError):
            return error
        return ServerUnreachable(
            f"Reading {self._name!r} from the bucket {self._bucket!r} broke off at byte {self._position} "
            f"of {self.size} ({reason_of(error)})."
        )

    def _stream(self) -> urllib3.BaseHTTPResponse:
        """Return an answer that stands at the position: the one under way, or that to a new request."""
        if os.getpid() != self._process:
            self._response, self._process = None, os.getpid()
        if self._response is None or self._at != self._position:
            self._release()
            headers = {"range": f"bytes={self._position}-"}
            if self.etag:
                headers["if-match"] = self.etag
            self._response = self._get(headers)
            self._at = self._position
        return self._response

    def _get(self, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        transport = self._transport()
        response = transport.exchange(
            "GET", self._bucket, self._name, headers=headers, preload_content=False, decode_content=False
        )
        if response.status == 412 or (headers and response.status == 404):
            response.drain_conn()
            raise ObjectChanged(
                f"{self._name!r} in the bucket {self._bucket!r} was replaced or removed while it was read."
            )
        if response.status != (206 if headers else 200):
            transport.fail(response, self._bucket, self._name)
        return response

    def _release(self) -> None:
        response, self._response = self._response, None
        if response is None or os.getpid() != self._process:
            return
        if self.size - self._at <= _WORTH_DRAINING:
            response.drain_conn()
            response.release_conn()
        else:
            response.close()

    def _drop(self) -> None:
        response, self._response = self._response, None
        if response is not None:
            response.close()


class _Opener(Protocol):
    def _reader(self, name: str) -> ObjectReader: ...


class S3File(_BinaryFile):
    """An object opened for reading in binary mode; `open()` after `close()` fetches it anew."""

    def __init__(self, storage: _Opener, name: str, mode: str = "rb") -> None:
        self._storage, self._key = storage, name
        self.name = name  # before what may fail: reports of errors print the object
        self._raw = storage._reader(name)  # noqa: SLF001  the storage's own file
        super().__init__(io.BufferedReader(self._raw, _BUFFER), name)
        self.mode = mode

    def open(self, mode: str | None = None, *args: Any, **kwargs: Any) -> S3File:  # noqa: ARG002
        """Go back to the start; fetch the object anew if the file was closed."""
        if mode not in {None, "rb"}:
            raise ValueError(f"Objects are opened with mode 'rb', not {mode!r}.")
        if self.closed:
            self._raw = self._storage._reader(self._key)  # noqa: SLF001
            self.file = io.BufferedReader(self._raw, _BUFFER)
        else:
            self.seek(0)
        return self

    @property
    def size(self) -> int:
        """The length in bytes, as the opening answer said."""
        return self._raw.size

    @property
    def last_modified(self) -> datetime:
        """When the opened version was written, in UTC."""
        return self._raw.last_modified

    @property
    def etag(self) -> str:
        """The server's identifier of the opened version."""
        return self._raw.etag.strip('"')

    @property
    def content_type(self) -> str:
        """The content type the object was stored with."""
        return str(self._raw.headers.get("content-type", ""))
