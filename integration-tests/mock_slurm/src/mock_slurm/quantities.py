"""Times and memory sizes as Slurm reads and prints them."""

from __future__ import annotations

import re
from datetime import datetime

__all__ = [
    "UNLIMITED",
    "InvalidQuantityError",
    "elapsed",
    "mebibytes",
    "minutes",
    "parse_memory",
    "parse_minutes",
    "parse_moment",
    "timestamp",
]

UNLIMITED = -1
"""Minutes of a limit that never ends."""

_UNITS = {"K": 1 / 1024, "M": 1, "G": 1024, "T": 1024 * 1024}
_MEMORY = re.compile(r"([0-9]+)([KMGT]?)B?", re.IGNORECASE)
_OFFSET = re.compile(r"now(?:\+([0-9]+)(second|minute|hour|day|week|[smhdw])?s?)?", re.IGNORECASE)
_OFFSET_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_MOMENTS = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d")
_CLOCK = ("%H:%M:%S", "%H:%M")


class InvalidQuantityError(ValueError):
    """A time or a size that Slurm would refuse."""


def parse_minutes(text: str) -> int:
    """Whole minutes (rounded up) of `M`, `M:S`, `H:M:S`, `D-H`, `D-H:M`, `D-H:M:S`; `UNLIMITED` for none and 0."""
    if text.strip().upper() in {"INFINITE", "UNLIMITED", "-1"}:
        return UNLIMITED
    days, dash, clock = text.strip().rpartition("-")
    fields = (clock or ("0" if days else "")).split(":")
    if not all(field.isdigit() for field in [*fields, days if dash else "0"]) or len(fields) > 3:
        raise InvalidQuantityError(text)
    hours, mins, secs = _clock_fields([int(field) for field in fields], with_days=bool(dash))
    seconds = int(days or 0) * 86400 + hours * 3600 + mins * 60 + secs
    return -(-seconds // 60) or UNLIMITED


def _clock_fields(fields: list[int], *, with_days: bool) -> tuple[int, int, int]:
    # Without days the first of one or two fields is minutes, with days it is hours.
    if with_days or len(fields) == 3:
        return (*fields, 0, 0)[:3]  # type: ignore[return-value]
    return (0, fields[0], fields[1] if len(fields) > 1 else 0)


def minutes(limit: int, unlimited: str = "UNLIMITED") -> str:
    """A limit in minutes as squeue and sinfo print it."""
    return unlimited if limit == UNLIMITED else elapsed(limit * 60)


def elapsed(seconds: float) -> str:
    """`M:SS`, `H:MM:SS` or `D-HH:MM:SS`; `INVALID` for a negative time, as squeue prints it."""
    if seconds < 0:
        return "INVALID"
    whole = int(seconds)
    days, hours, mins, secs = whole // 86400, whole // 3600 % 24, whole // 60 % 60, whole % 60
    if days:
        return f"{days}-{hours:02}:{mins:02}:{secs:02}"
    return f"{hours}:{mins:02}:{secs:02}" if hours else f"{mins}:{secs:02}"


def long_elapsed(seconds: float) -> str:
    """`[D-]HH:MM:SS`, the form of scontrol and sacct."""
    whole = max(int(seconds), 0)
    days = f"{whole // 86400}-" if whole >= 86400 else ""
    return f"{days}{whole // 3600 % 24:02}:{whole // 60 % 60:02}:{whole % 60:02}"


def parse_memory(text: str) -> int:
    """Mebibytes of `512`, `512M`, `2G`, `1T` or `2048K` (rounded up)."""
    match = _MEMORY.fullmatch(text.strip())
    if match is None:
        raise InvalidQuantityError(text)
    return -int(-(int(match[1]) * _UNITS[match[2].upper() or "M"]) // 1)


def mebibytes(size: int) -> str:
    """A size in MiB as Slurm prints it: in GiB where that takes no more than a half (`125G`, `62.50G`), else `500M`."""
    if size < 1024 or size % 512:
        return f"{size}M"
    return f"{size // 1024}G" if size % 1024 == 0 else f"{size / 1024:.2f}G"


def parse_moment(text: str, now: float, minute_seconds: float = 60.0) -> float:
    """Unix time of `now+1hour`, `now+60`, `2030-01-01T12:00` or `16:30`; offsets run on the cluster's clock."""
    offset = _OFFSET.fullmatch(text.strip())
    if offset is not None:
        unit = (offset[2] or "s")[0].lower()
        return now + int(offset[1] or 0) * _OFFSET_SECONDS[unit] * minute_seconds / 60
    for layout in _MOMENTS:
        try:
            return datetime.strptime(text.strip(), layout).timestamp()  # noqa: DTZ007 - Slurm means local time
        except ValueError:
            continue
    return _time_of_day(text, now)


def _time_of_day(text: str, now: float) -> float:
    for layout in _CLOCK:
        try:
            clock = datetime.strptime(text.strip(), layout).time()  # noqa: DTZ007 - Slurm means local time
        except ValueError:
            continue
        moment = datetime.combine(datetime.fromtimestamp(now).date(), clock).timestamp()  # noqa: DTZ006
        return moment if moment > now else moment + 86400
    raise InvalidQuantityError(text)


def timestamp(moment: float | None, missing: str = "N/A") -> str:
    """Local `YYYY-MM-DDTHH:MM:SS` of a Unix time."""
    if moment is None:
        return missing
    return datetime.fromtimestamp(moment).strftime("%Y-%m-%dT%H:%M:%S")  # noqa: DTZ006 - Slurm prints local time
