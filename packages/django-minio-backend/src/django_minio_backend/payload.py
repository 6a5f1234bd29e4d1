"""What is uploaded: any content Django may hand over, as a body of known size and digest that can be re-sent."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any, Protocol, Self

from django.core.files.base import File

from django_minio_backend.deadlines import check_deadline

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Payload", "Window"]

_BLOCK = 1024 * 1024
_IN_MEMORY = 4 * 1024 * 1024


class _Source(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...
    def seek(self, offset: int, /) -> int: ...


class Window:
    """A stretch of a file, as the body of a request: readable from its start again and again."""

    def __init__(self, source: _Source, start: int, size: int) -> None:
        self._source, self._start, self._position = source, start, 0
        self.size = size

    @classmethod
    def of(cls, data: bytes) -> Self:
        """Return a window on these bytes."""
        return cls(io.BytesIO(data), 0, len(data))

    def in_memory(self) -> Window:
        """Return a copy that does not share the file's position, for sending several at a time."""
        self.seek(0)
        return Window.of(self.read())

    @cached_property
    def sha256(self) -> str:
        """The digest in hexadecimal, as the signature wants it."""
        digest = hashlib.sha256()
        self.seek(0)
        while block := self.read(_BLOCK):
            digest.update(block)
        self.seek(0)
        return digest.hexdigest()

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes of the window. Raises DeadlineExceeded: a server may take them too slowly."""
        check_deadline()
        left = self.size - self._position
        block = self._source.read(left if size < 0 else min(size, left))
        self._position += len(block)
        return block

    def seek(self, offset: int, /) -> int:
        """Go to a position of the window."""
        self._source.seek(self._start + offset)
        self._position = offset
        return offset

    def tell(self) -> int:
        """Return the position in the window."""
        return self._position


class Payload(Window):
    """The bytes of one save. Text becomes UTF-8; what cannot be read twice is spooled, to disk beyond 4 MiB."""

    def __init__(self, content: Any, progress: Any = None) -> None:
        content = content if hasattr(content, "chunks") else File(content)
        self._spool: IO[bytes] | None = None
        self._progress = progress
        file = content if _is_plain(content) else self._spooled(content)
        super().__init__(file, 0, file.seek(0, os.SEEK_END) or file.tell())
        self.seek(0)

    def _spooled(self, content: Any) -> IO[bytes]:
        self._spool = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  closed by close()
        try:
            for chunk in content.chunks():
                self._spool.write(chunk.encode() if isinstance(chunk, str) else chunk)
        except BaseException:
            self.close()
            raise
        return self._spool

    def announce(self, name: str) -> None:
        """Tell the progress object what is coming, as the SDK does."""
        if self._progress is not None:
            self._progress.set_meta(object_name=name, total_length=self.size)

    def arrived(self) -> None:
        """Tell the progress object that all bytes were stored."""
        if self._progress is not None:
            self._progress.update(self.size)

    def close(self) -> None:
        """Remove what was spooled. The content itself stays open: it belongs to the caller."""
        if self._spool is not None:
            self._spool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _is_plain(content: Any) -> bool:
    """Tell whether reading from position 0, twice, gives what `chunks()` would give: bytes, seekable."""
    if not type(content).chunks.__module__.startswith("django.core.files."):
        return False
    try:
        content.seek(0)
        return bool(content.read(0) == b"")
    except (AttributeError, OSError):  # io.UnsupportedOperation is an OSError
        return False
