"""Durations: what a user writes, what Slurm prints, and what Slurm reads.

The three differ. A user's ``4:30`` means four and a half hours (the documented format is ``hh:mm:ss``), while
Slurm prints and reads ``4:30`` as four minutes and thirty seconds. A value therefore never travels as text from
one side to the other: it is parsed here and written again by `slurm_time`.
"""

import re
from datetime import timedelta

_UNLIMITED = frozenset({"infinite", "unlimited"})
_HOURS_FIRST = re.compile(r"(?:(?P<days>\d+)-)?(?P<hours>\d+)(?::(?P<minutes>\d{1,2}))?(?::(?P<seconds>\d{1,2}))?")
_SLURM_DAYS = re.compile(r"(?P<days>\d+)-(?P<hours>\d+)(?::(?P<minutes>\d+))?(?::(?P<seconds>\d+))?")
_SLURM_CLOCK = re.compile(r"(?:(?:(?P<hours>\d+):)?(?P<minutes>\d+):)?(?P<seconds>\d+)")


def _duration(match: re.Match[str]) -> timedelta:
    parts = {name: int(text) for name, text in match.groupdict().items() if text is not None}
    if parts.get("minutes", 0) > 59 and "hours" in parts:
        raise ValueError(f"{match.string!r} has more than 59 minutes beside its hours")
    if parts.get("seconds", 0) > 59 and "minutes" in parts:
        raise ValueError(f"{match.string!r} has more than 59 seconds beside its minutes")
    try:
        return timedelta(**parts)
    except OverflowError:
        raise ValueError(f"{match.string!r} is longer than any job can run") from None


def parse_timelimit(timelimit: str) -> timedelta:
    """The duration that a user means by ``[days-]hours[:minutes[:seconds]]``.

    ``infinite`` is `datetime.timedelta.max`. Anything else raises `ValueError`.
    """
    if timelimit == "infinite":
        return timedelta.max
    match = _HOURS_FIRST.fullmatch(timelimit)
    if match is None or not timelimit.isascii():
        raise ValueError(f"{timelimit!r} is not a duration: write hh:mm:ss, as in 1:30:00")
    return _duration(match)


def parse_slurm_time(text: str) -> timedelta:
    """The duration that Slurm means by a time limit that it printed.

    Formats of sbatch(1) ``--time``: minutes, minutes:seconds, hours:minutes:seconds, days-hours,
    days-hours:minutes, days-hours:minutes:seconds, ``infinite`` and ``UNLIMITED``. Else `ValueError`.
    """
    if text.lower() in _UNLIMITED:
        return timedelta.max
    if text.isascii() and (match := _SLURM_DAYS.fullmatch(text)):
        return _duration(match)
    if text.isascii() and text.isdigit():
        return _duration(_SLURM_CLOCK.fullmatch(f"{text}:0"))  # type: ignore[arg-type]  # digits and ":0" match
    match = _SLURM_CLOCK.fullmatch(text)
    if match is None or not text.isascii():
        raise ValueError(f"{text!r} is not a time limit as Slurm prints it")
    return _duration(match)


def time_left(text: str) -> float | None:
    """Seconds in squeue's ``%L``; None where there is no limit, or none that is known (``NOT_SET``, ``INVALID``)."""
    try:
        left = parse_slurm_time(text)
    except ValueError:
        return None
    return None if left == timedelta.max else left.total_seconds()


def slurm_time(duration: timedelta) -> str:
    """Write a duration as sbatch reads it: ``hours:minutes:seconds``, or ``UNLIMITED``."""
    if duration == timedelta.max:
        return "UNLIMITED"
    minutes, seconds = divmod(int(duration.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
