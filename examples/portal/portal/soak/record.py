"""What happened during a soak: requests, faults, and what visitors were promised."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a visitor: when it began and ended, what for, and why it failed (empty: it did not)."""

    began: float
    ended: float
    what: str
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that was done to the portal, from its beginning until all parts worked again."""

    began: float
    ended: float
    what: str


@dataclass
class Record:
    """Filled by many threads; all times are seconds since the beginning."""

    start: float = field(default_factory=time.monotonic)
    requests: list[Request] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    deposits: dict[str, bytes] = field(default_factory=dict)  # by title: acknowledged, so they must be there once
    unsure: dict[str, bytes] = field(default_factory=dict)  # sent, but no answer came: there once, or not at all
    lost_sessions: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)  # what a visitor found that no fault explains
    spawned: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def now(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.start

    def add(self, request: Request) -> None:
        """Note a request."""
        with self._lock:
            self.requests.append(request)

    def failures(self) -> "Counter[tuple[str, str]]":
        """How many requests failed, by the fault that was going on and how they failed."""
        return Counter((self._cause(one), f"{one.what}: {one.failure}") for one in self.requests if one.failure)

    def unexplained(self) -> list[Request]:
        """Requests that failed while nothing was wrong."""
        return [one for one in self.requests if one.failure and not self._cause(one)]

    def _cause(self, request: Request) -> str:
        during = [one.what for one in self.faults if one.began <= request.ended and request.began <= one.ended]
        return during[-1] if during else ""
