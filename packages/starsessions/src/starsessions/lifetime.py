"""How long a session lives: the one place where clocks are compared."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import typing

from starsessions.exceptions import InvalidLifetime

if typing.TYPE_CHECKING:
    from starsessions.types import SessionMetadata

__all__ = ["LONGEST_LIFETIME", "Lifetime", "parse_absolute_lifetime", "parse_lifetime"]

LONGEST_LIFETIME = int(dt.timedelta.max.total_seconds())
"""Seconds; Redis and others cannot count much further."""


def parse_lifetime(value: int | str | dt.timedelta) -> int:
    """Return a lifetime in whole seconds. Raises InvalidLifetime."""
    return _seconds(value, "lifetime", "Use 0 for a session that ends with the browser.")


def parse_absolute_lifetime(value: int | str | dt.timedelta | None) -> int:
    """Return an absolute lifetime in whole seconds, 0 for None. Raises InvalidLifetime."""
    return 0 if value is None else _seconds(value, "absolute_lifetime", "Use None for no absolute end.")


def _seconds(value: int | str | dt.timedelta, name: str, advice: str) -> int:
    try:
        exact = value.total_seconds() if isinstance(value, dt.timedelta) else value
        seconds = int(exact)
    except (TypeError, ValueError, OverflowError):
        raise InvalidLifetime(f"{name}: a number of seconds or a timedelta is needed, not {value!r}.") from None
    if seconds < 0:
        raise InvalidLifetime(f"{name}: {value!r} is negative. {advice}")
    if seconds > LONGEST_LIFETIME:
        raise InvalidLifetime(f"{name}: {value!r} is longer than any time that is meant. {advice}")
    if seconds == 0 and exact not in {0, "0"}:
        raise InvalidLifetime(f"{name}: {value!r} is shorter than a second. {advice}")
    return seconds


@dataclasses.dataclass(slots=True)
class Lifetime:
    """The rules of one session's life.

    `seconds` is the configured lifetime, 0 meaning until the browser is closed. `rolling` sessions live that
    long after their last use, others after their creation. `rolling` is None where the strategy is not known
    (a handler built outside of the middleware); then only what is expired under both rules counts as expired.
    `absolute` is the second clock: no session lives longer than that after its creation; 0 switches it off.
    """

    seconds: int
    rolling: bool | None = None
    absolute: int = 0

    def remaining(self, metadata: SessionMetadata, now: float) -> int:
        """Return how many whole seconds are left, which is 0 for a session without a fixed end."""
        seconds, age = self.seconds, now - metadata["created"]
        left: float = seconds if self.rolling or not seconds else seconds - age
        if self.absolute:
            end = self.absolute - age
            left = min(left, end) if seconds else end
        return int(left) if left > 0 else 0

    def ttl(self, metadata: SessionMetadata, now: float) -> int:
        """Return how long a store has to keep the record: at least a second, or 0 for no fixed end."""
        return max(1, self.remaining(metadata, now)) if self.seconds or self.absolute else 0

    def max_age(self, metadata: SessionMetadata, now: float) -> int | None:
        """Return the cookie's max-age in seconds: at least one, or None for a cookie that ends with the browser."""
        return max(1, self.remaining(metadata, now)) if self.seconds else None

    def safe_age(self, store_expires: bool) -> float:
        """Return how many seconds after its creation no session is expired, whenever it was used; see `expired`."""
        if self.seconds and self.rolling is not False and not store_expires:
            return 0.0
        ends = (self.absolute, self.seconds if self.rolling is False else 0)
        return min((end for end in ends if end), default=math.inf)

    def expired(self, metadata: SessionMetadata, now: float, store_expires: bool) -> bool:
        """Tell whether a stored session is past its end.

        `store_expires` says that the store itself drops records that were not renewed in time; only such a
        store may be asked to renew a record without rewriting the `last_access` in it.
        """
        if self.absolute and now >= metadata["created"] + self.absolute:
            return True
        if not self.seconds:
            return False
        if self.rolling is False:
            return now >= metadata["created"] + self.seconds
        return not store_expires and now >= metadata["last_access"] + self.seconds
