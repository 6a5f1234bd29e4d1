"""A bar on a terminal that says how far a follower has got."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["ProgressBar"]

_WIDTH = 30
_INTERVAL = 0.1  # seconds; a terminal is slower than a follower
_ERASE_TO_END = "\x1b[K"


class ProgressBar:
    """Draws, behind a prefix on the same line, how much of what a leader has recorded is processed.

    It goes by positions: those of other applications that lie between are skipped, as they are by the follower.

    Args:
        write: writes to the terminal, without a line end.
        last_position: gives the position of a leader's last event.
        is_drawn: `write` writes to a terminal; otherwise there are prefixes and no bar.
    """

    def __init__(
        self, write: Callable[[str], None], last_position: Callable[[str], int | None], *, is_drawn: bool
    ) -> None:
        self._write = write
        self._last_position = last_position
        self._is_drawn = is_drawn
        self._prefix = ""
        self._range: dict[tuple[str, str], tuple[int, int]] = {}
        self._drawn_at: float | None = None

    @contextmanager
    def behind(self, prefix: str) -> Iterator[None]:
        """Write a prefix, draw behind it what happens inside, and leave the prefix only."""
        self._prefix = prefix
        self._drawn_at = None
        self._write(prefix)
        yield
        if self._drawn_at is not None:
            self._write(f"\r{prefix}{_ERASE_TO_END}")

    def __call__(self, follower: str, leader: str, position: int) -> bool:
        """Draw, after an event was processed; never end the follower."""
        now = time.monotonic()
        if self._is_drawn and (self._drawn_at is None or now - self._drawn_at >= _INTERVAL):
            self._drawn_at = now
            if (follower, leader) not in self._range:
                self._range[follower, leader] = (position, self._last_position(leader) or position)
            self._draw(leader, position, *self._range[follower, leader])
        return False

    def _draw(self, leader: str, position: int, first: int, last: int) -> None:
        done = min(1.0, (position - first + 1) / max(1, last - first + 1))
        bar = ("#" * round(done * _WIDTH)).ljust(_WIDTH, ".")
        self._write(f"\r{self._prefix}[{bar}] {done:.0%} of {leader}{_ERASE_TO_END}")
