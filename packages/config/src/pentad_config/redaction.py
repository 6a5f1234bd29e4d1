"""`redact`: take the values of live secrets out of text that leaves the process."""

from __future__ import annotations

from pentad_config.sources import live

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Shorter values are left alone: replacing every "a" would destroy the text and hide nothing.
SHORTEST = 4
_MARK = "<redacted>"


def redact(value: Any) -> Any:
    """Return `value` with every live secret's value replaced by `<redacted>`.

    Text and bytes are searched for the current and the two previous values of all secrets of this process,
    also in their percent-encoded form; dictionaries, lists and tuples are copied and searched inside. Other
    objects are returned as they are.
    """
    needles = _needles()
    return _walk(value, needles) if needles else value


def _needles() -> list[str]:
    from urllib.parse import quote, quote_plus

    found: set[str] = set()
    for source in tuple(live):
        for item in source.recent:
            text = item.decode("utf-8", "surrogateescape") if isinstance(item, bytes) else item
            if len(text) >= SHORTEST:
                quotable = text.encode("utf-8", "surrogateescape")
                found.update((text, quote(quotable), quote(quotable, safe=""), quote_plus(quotable)))
    return sorted(found, key=len, reverse=True)


def _walk(value: Any, needles: list[str]) -> Any:
    if isinstance(value, str):
        for needle in needles:
            if needle in value:
                value = value.replace(needle, _MARK)
        return value
    if isinstance(value, bytes):
        return _walk(value.decode("utf-8", "surrogateescape"), needles).encode("utf-8", "surrogateescape")
    if isinstance(value, dict):
        return {_walk(key, needles): _walk(item, needles) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return type(value)(_walk(item, needles) for item in value)
    return value
