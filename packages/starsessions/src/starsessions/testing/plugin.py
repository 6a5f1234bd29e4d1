"""The pytest plugin: the fixture `session_time`."""

from __future__ import annotations

import datetime as dt
import time
import typing

import pytest

if typing.TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SessionTime", "session_time"]


class SessionTime:
    """Lets time pass for what asks Python's `time` module; servers such as Redis keep their own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._now, self._now_ns = time.time, time.time_ns
        self._offset = 0.0
        monkeypatch.setattr(time, "time", lambda: self._now() + self._offset)
        monkeypatch.setattr(time, "time_ns", lambda: self._now_ns() + int(self._offset * 1e9))

    def advance(self, by: float | dt.timedelta) -> None:
        """Move to so many seconds, or to so much of a timedelta, after now."""
        self._offset += by.total_seconds() if isinstance(by, dt.timedelta) else by


@pytest.fixture
def session_time() -> Iterator[SessionTime]:
    """Time that a test moves with `advance(seconds)`, to see sessions end without waiting."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield SessionTime(monkeypatch)
