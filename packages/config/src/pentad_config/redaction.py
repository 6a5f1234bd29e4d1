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
    found: set[str] = set()
    for source in tuple(live):
        for item in source.recent:
            found.update(_forms(item))
    return sorted(found, key=len, reverse=True)


def _forms(value: str | bytes) -> frozenset[str]:
    """Return the texts that give `value` away: itself and its percent-encoded forms."""
    known = _known.get(value)
    if known is None:
        from urllib.parse import quote, quote_plus

        text = value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
        raw = text.encode("utf-8", "surrogateescape")
        known = frozenset((text, quote(raw), quote(raw, safe=""), quote_plus(raw)) if len(text) >= SHORTEST else ())
        if len(_known) >= _KNOWN_MOST:
            _known.clear()
        _known[value] = known
    return known


#: The forms of values seen lately. Bounded, as rotating values would pile up.
_known: dict[str | bytes, frozenset[str]] = {}
_KNOWN_MOST = 1024


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
