"""How far the server's clock is from ours: a signature holds for fifteen minutes around its time."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

__all__ = ["LONGEST_SKEW", "skew_in_words", "skew_of"]

LONGEST_SKEW: Final = 900
"""Seconds of difference up to which servers accept signatures."""


def skew_of(answer: Any) -> float | None:
    """Return by how many seconds an answer's Date header is ahead of our clock; None if it says no time."""
    try:
        ahead = parsedate_to_datetime(answer.headers["date"]) - datetime.now(UTC)
    except (KeyError, ValueError, TypeError):  # TypeError: a time that says no zone
        return None
    return ahead.total_seconds() + 0.5  # it counts whole seconds


def skew_in_words(skew: float) -> str:
    """Return what a skew means, as a part of a sentence."""
    return (
        f"the server's clock is {abs(skew):.0f} seconds {'ahead' if skew > 0 else 'behind'}; "
        f"signatures more than {LONGEST_SKEW} seconds off are refused"
    )
