"""What somebody may have meant."""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ("suggestion",)


def suggestion(name: str, candidates: Iterable[str]) -> str:
    """Return `Did you mean 'x'?` for the closest candidate, or nothing if none is close."""
    close = get_close_matches(name, list(candidates), n=1)
    return f"Did you mean {close[0]!r}?" if close else ""
