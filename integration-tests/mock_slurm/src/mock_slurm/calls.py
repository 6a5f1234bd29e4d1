"""One command as the controller sees it, and its answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable

from .identity import Caller

__all__ = ["Call", "Reply", "lines"]


@dataclasses.dataclass
class Reply:
    """Exit code and output of a command."""

    code: int = 0
    out: str = ""
    err: str = ""

    def encode(self) -> bytes:
        """The body of the answer's frame."""
        out = self.out.encode("utf-8", "surrogateescape")
        return bytes([self.code]) + len(out).to_bytes(4, "big") + out + self.err.encode("utf-8", "surrogateescape")


@dataclasses.dataclass
class Call:
    """A command: program, arguments, the caller and where it was called.

    `read(None)` is the caller's standard input, `read(path)` one of the caller's files; both raise OSError.
    """

    program: str
    args: list[str]
    caller: Caller
    cwd: str
    environment: dict[str, str]
    read: Callable[[str | None], Awaitable[bytes]]


def lines(*rows: str) -> str:
    """Rows as text, each ended."""
    return "".join(f"{row}\n" for row in rows)
