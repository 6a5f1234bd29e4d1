"""A progress bar of one line, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

    from django.core.management.base import OutputWrapper

__all__ = ["ProgressBar"]

_WIDTH = 30


class ProgressBar:
    """Shows how many of the files known so far are done. Writes nothing where the stream is no terminal."""

    def __init__(self, stream: OutputWrapper, what: str) -> None:
        self._stream, self._what = stream, what
        self._shown = False

    def __call__(self, done: int, begun: int) -> None:
        """Show the state."""
        if self._stream.isatty():
            filled = _WIDTH * done // max(begun, 1)
            self._stream.write(f"\r{self._what} [{'#' * filled:-<{_WIDTH}}] {done}/{begun}", ending="")
            self._stream.flush()
            self._shown = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            self._stream.write("\n")
