"""What is uploaded: any content Django may hand over, as a body of known size and digest that can be re-sent."""

from __future__ import annotations

import hashlib
import tempfile
from typing import IO, TYPE_CHECKING, Any, Self

from django.core.files.base import File

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Payload"]

_BLOCK = 1024 * 1024
_IN_MEMORY = 4 * 1024 * 1024


class Payload:
    """The bytes of one save. Text becomes UTF-8; what cannot be read twice is spooled, to disk beyond 4 MiB."""

    def __init__(self, content: Any, progress: Any = None) -> None:
        content = content if hasattr(content, "chunks") else File(content)
        self._spool: IO[bytes] | None = None
        self._file = content if _is_plain(content) else self._spooled(content)
        self._progress = progress
        self.size, self.sha256 = self._measure()

    def _spooled(self, content: Any) -> IO[bytes]:
        self._spool = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  closed by close()
        for chunk in content.chunks():
            self._spool.write(chunk.encode() if isinstance(chunk, str) else chunk)
        return self._spool

    def _measure(self) -> tuple[int, str]:
        self._file.seek(0)
        digest, size = hashlib.sha256(), 0
        while block := self._file.read(_BLOCK):
            digest.update(block)
            size += len(block)
        self._file.seek(0)
        return size, digest.hexdigest()

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes, telling the progress object about them."""
        block: bytes = self._file.read(size)
        if self._progress is not None and block:
            self._progress.update(len(block))
        return block

    def seek(self, offset: int, /) -> int:
        """Go to a position, for a request that is sent again."""
        self._file.seek(offset)
        return offset

    def tell(self) -> int:
        """Return the position."""
        return int(self._file.tell())

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
        return content.read(0) == b""
    except (AttributeError, OSError):  # io.UnsupportedOperation is an OSError
        return False
