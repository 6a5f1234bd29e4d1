"""The time that an operation may take in all, however many requests, repetitions and pauses it consists of.

urllib3's own timeouts hold for one wait on one socket: a server that hangs costs them once per repetition, and one
that trickles never meets them.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar

import urllib3

from django_minio_backend.errors import DeadlineExceeded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from urllib3.response import BaseHTTPResponse

__all__ = [
    "BoundedRetry",
    "BoundedTimeout",
    "bounded",
    "check_deadline",
    "deadline",
    "grace",
    "has_deadline",
    "is_over",
    "pause",
]


class _HasOptions(Protocol):
    @property
    def total_timeout(self) -> float | None: ...


_Storage = TypeVar("_Storage", bound=_HasOptions)
_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

_GRACE, _SHORT_GRACE = 60.0, 5.0
"""Seconds."""

_end: ContextVar[float | None] = ContextVar("django_minio_backend_deadline", default=None)


@contextmanager
def deadline(seconds: float | None) -> Iterator[None]:
    """Let everything inside the block take at most so many seconds in all; None sets no bound of its own.

    An outer deadline that ends sooner stays in force. What runs over raises DeadlineExceeded.
    """
    outer = _end.get()
    own = None if seconds is None else time.monotonic() + seconds
    ends = [end for end in (outer, own) if end is not None]
    token = _end.set(min(ends, default=None))
    try:
        yield
    finally:
        _end.reset(token)


@contextmanager
def grace() -> Iterator[None]:
    """Give what must be tidied up a minute; five seconds where a deadline is set, also where it has passed."""
    token = _end.set(time.monotonic() + (_SHORT_GRACE if has_deadline() else _GRACE))
    try:
        yield
    finally:
        _end.reset(token)


def bounded(
    method: Callable[Concatenate[_Storage, _Arguments], _Result],
) -> Callable[Concatenate[_Storage, _Arguments], _Result]:
    """Give a storage's method the storage's MINIO_TOTAL_TIMEOUT as deadline."""

    @wraps(method)
    def timed(self: _Storage, /, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        with deadline(self.total_timeout):
            return method(self, *args, **kwargs)

    return timed


def has_deadline() -> bool:
    """Whether a deadline is in force."""
    return _end.get() is not None


def is_over() -> bool:
    """Whether there is a deadline and it has passed."""
    end = _end.get()
    return end is not None and end <= time.monotonic()


def check_deadline() -> None:
    """Raise DeadlineExceeded if the time is over."""
    _remaining()


def pause(seconds: float) -> None:
    """Wait so long, unless that would not leave any time: then raise DeadlineExceeded at once."""
    left = _remaining()
    if left is not None and left <= seconds:
        raise _exceeded()
    time.sleep(seconds)


def _remaining() -> float | None:
    """Return the seconds left, None without a deadline."""
    end = _end.get()
    if end is None:
        return None
    left = end - time.monotonic()
    if left <= 0:
        raise _exceeded()
    return left


def _exceeded() -> DeadlineExceeded:
    return DeadlineExceeded("The time is over that MINIO_TOTAL_TIMEOUT, or a deadline in the code, allows.")


class BoundedTimeout(urllib3.Timeout):
    """A timeout that ends with the deadline. urllib3 clones the pool's one for every attempt."""

    def clone(self) -> urllib3.Timeout:
        """Return the timeout of one attempt."""
        return urllib3.Timeout(connect=self._connect, read=self._read, total=_remaining())


class BoundedRetry(urllib3.Retry):
    """A policy of repetition that pauses no longer than the deadline allows."""

    def sleep(self, response: BaseHTTPResponse | None = None) -> None:
        """Wait before the next attempt, as long as the server asks for or as the policy says."""
        asked = self.get_retry_after(response) if response and self.respect_retry_after_header else None
        pause(asked or self.get_backoff_time())
