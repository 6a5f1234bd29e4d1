"""`redact`: take the values of live secrets out of text that leaves the process."""

from __future__ import annotations

from pentad_config.sources import live_sources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Shorter values are left alone: replacing every "a" would destroy the text and hide nothing.
SHORTEST = 4
#: Shorter words of a longer secret are left alone: they may be words of a passphrase.
SHORTEST_WORD = 16
_MARK = "<redacted>"


def redact(value: Any) -> Any:
    """Return `value` with every live secret's value replaced by `<redacted>`.

    Text and bytes are searched for the current and the two previous values of all secrets of this process,
    also in the form they have in a URL, in a `repr` and in JSON; dictionaries, lists, tuples and sets are
    copied and searched inside; what derives from one, such as a named tuple, becomes a plain one. Other objects are
    returned as they are. What is nested too deeply to be searched is replaced as a whole.
    """
    needles = _needles()
    try:
        return _walk(value, needles) if needles else value
    except RecursionError:
        return _MARK


def without_passwords(text: str) -> str:
    """Return `text` with the passwords of URLs in it replaced: `scheme://user:<redacted>@host`, `?password=<redacted>`.

    A password goes up to the last @, as one that was not escaped may hold any character of a URL.
    """
    if "://" not in text:
        return text
    from re import IGNORECASE, sub

    shown = sub(r"(://[^:/?#@\s]*:)\S*@", rf"\1{_MARK}@", text)
    return sub(r"([?&]password=)[^&#\s]+", rf"\1{_MARK}", shown, flags=IGNORECASE)


def _needles() -> list[str]:
    found: set[str] = set()
    for source in live_sources():
        for item in source.recent:
            found.update(_forms(item))
    return sorted(found, key=len, reverse=True)


def _forms(value: str | bytes) -> frozenset[str]:
    """Return the texts that give `value` away."""
    known = _known.get(value)
    if known is None:
        text = value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
        # A ring's keys and a certificate's lines are secret one by one.
        words = [word for word in text.split() if len(word) >= SHORTEST_WORD]
        known = frozenset(form for part in (text, *words) if len(part) >= SHORTEST for form in _spelt(part))
        if len(_known) >= _KNOWN_MOST:
            _known.clear()
        _known[value] = known
    return known


def _spelt(text: str) -> set[str]:
    """Return `text` as it is, in a URL, in a `repr` (tracebacks) and in JSON."""
    from json import dumps
    from urllib.parse import quote, quote_plus

    raw = text.encode("utf-8", "surrogatepass")
    urls = {quote(raw), quote(raw, safe=""), quote_plus(raw)}
    return {text, *urls, repr(text)[1:-1], repr(raw)[2:-1], dumps(text)[1:-1], dumps(text, ensure_ascii=False)[1:-1]}


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
    for kind in (list, tuple, set, frozenset):
        if isinstance(value, kind):
            return kind(_walk(item, needles) for item in value)
    return value
