"""From the text of an environment variable or file to the type a setting declares."""

from __future__ import annotations

from pentad_config.keyring import KeyRing
from pentad_config.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_YES = frozenset(("1", "true", "yes", "on", "y", "t"))
_NO = frozenset(("0", "false", "no", "off", "n", "f", ""))


class NotParsable(ValueError):  # noqa: N818  it is caught by its one caller and never leaves the package
    """The text does not fit the type; the message completes the sentence "SOURCE is ...", without the value."""


def is_secret_type(kind: Any) -> bool:
    """Tell whether values of this type must never be shown."""
    return kind in (Secret, KeyRing)


def parse(kind: Any, value: Any, name: str) -> Any:
    """Return `value` as `kind`. Text is parsed, a value that already has the type is kept."""
    options = _union(kind)
    if options is not None:
        return None if value is None or (value == "" and type(None) in options) else _parse_any(options, value, name)
    literal = _literal(kind)
    if literal is not None:
        return _choose(literal, value)
    if kind is Secret:
        return value if isinstance(value, Secret) else _secret(value, name)
    if kind is KeyRing:
        return value if isinstance(value, KeyRing) else KeyRing(value, name=name)
    if isinstance(value, str):
        return _parse_text(kind, value, name)
    return _check_type(kind, value)


def _secret(value: Any, name: str) -> Secret:
    return Secret.at(value, name=name) if isinstance(value, str) else Secret(value, name=name)


def _parse_any(options: tuple[Any, ...], value: Any, name: str) -> Any:
    failures = []
    for option in options:
        if option is type(None):
            continue
        try:
            return parse(option, value, name)
        except NotParsable as error:
            failures.append(error)
    raise failures[-1]


def _parse_text(kind: Any, text: str, name: str) -> Any:
    origin = getattr(kind, "__origin__", kind)
    if origin in (list, tuple, set, frozenset):
        return origin(parse(_element(kind), item.strip(), name) for item in text.split(",") if item.strip())
    if getattr(kind, "__members__", None) is not None:
        return _enum_member(kind, text)
    converter = _CONVERTERS.get(_name(kind))
    return converter(text) if converter else _construct(kind, text)


def _construct(kind: Any, text: str) -> Any:
    if not callable(kind):
        return text
    try:
        return kind(text)
    except (TypeError, ValueError):
        raise NotParsable(f"not a usable {_name(kind)}") from None


def _check_type(kind: Any, value: Any) -> Any:
    origin = getattr(kind, "__origin__", kind)
    if not isinstance(origin, type) or isinstance(value, origin):
        return value
    if origin is float and isinstance(value, int):
        return float(value)
    if origin in (tuple, list, set, frozenset) and isinstance(value, (list, tuple, set, frozenset)):
        return origin(value)
    if _name(kind) == "timedelta" and isinstance(value, (int, float)):
        return _seconds(str(value))
    raise NotParsable(f"a {type(value).__name__} where {_name(kind)} is needed")


def _boolean(text: str) -> bool:
    word = text.strip().lower()
    if word in _YES:
        return True
    if word in _NO:
        return False
    raise NotParsable("not a yes/no value; use 1/0, true/false, yes/no, on/off")


def _whole(text: str) -> int:
    try:
        return int(text.strip().replace("_", ""))
    except ValueError:
        raise NotParsable("not a whole number") from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise NotParsable("not a number") from None


def _seconds(text: str) -> Any:
    from datetime import timedelta

    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    number, unit = (text[:-1], text[-1]) if text[-1:] in units else (text, "s")
    try:
        return timedelta(seconds=float(number) * units[unit])
    except ValueError:
        raise NotParsable("not a duration; use seconds, or a number with s, m, h or d") from None


_CONVERTERS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "bool": _boolean,
    "int": _whole,
    "float": _number,
    "timedelta": _seconds,
    "Any": str,
    "object": str,
    "bytes": str.encode,
}


def _name(kind: Any) -> str:
    return str(getattr(kind, "__name__", kind))


def _union(kind: Any) -> tuple[Any, ...] | None:
    is_union = type(kind).__name__ == "UnionType" or str(getattr(kind, "__origin__", "")) == "typing.Union"
    return tuple(kind.__args__) if is_union else None


def _literal(kind: Any) -> tuple[Any, ...] | None:
    return tuple(kind.__args__) if str(getattr(kind, "__origin__", "")) == "typing.Literal" else None


def _element(kind: Any) -> Any:
    return (getattr(kind, "__args__", None) or (str,))[0]


def _choose(choices: tuple[Any, ...], value: Any) -> Any:
    for choice in choices:
        if value == choice or str(choice) == value:
            return choice
    raise NotParsable("not one of " + ", ".join(str(choice) for choice in choices))


def _enum_member(kind: Any, text: str) -> Any:
    for member in kind:
        if text in (member.name, str(member.value)):
            return member
    raise NotParsable("not one of " + ", ".join(str(member.value) for member in kind))
