"""From the text of an environment variable or file to the type a setting declares."""

from __future__ import annotations

from pentad_config.keyring import KeyRing
from pentad_config.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Convert = Callable[[Any, str], Any]

_YES = frozenset(("1", "true", "yes", "on", "y", "t"))
_NO = frozenset(("0", "false", "no", "off", "n", "f", ""))


_NONE = "None; give it a value or leave it out"


class NotParsable(ValueError):  # noqa: N818  it is caught by its one caller and never leaves the package
    """The text does not fit the type; the message completes the sentence "SOURCE is ...", without the value."""


def secret_type(kind: Any) -> type | None:
    """Return `Secret` or `KeyRing` if values of this type, or of this optional type, are one."""
    options = kind.__args__ if _is_union(kind) else (kind,)
    return next((option for option in options if option in (Secret, KeyRing)), None)


def is_optional(kind: Any) -> bool:
    """Tell whether None is a value of this type."""
    return _is_union(kind) and type(None) in kind.__args__


def converter(kind: Any) -> Convert:
    """Return the function that turns a value and the setting's name into `kind`.

    Text is parsed, a value that already has the type is kept. Made once for each declared setting.
    """
    if _is_union(kind):
        return _of_union(kind.__args__)
    if _origin_is(kind, "typing.Literal"):
        choices = tuple(kind.__args__)
        return lambda value, name: _choose(choices, value)  # noqa: ARG005
    if kind is Secret:
        return _secret
    if kind is KeyRing:
        return _ring
    from_text = _of_text(kind)
    return lambda value, name: from_text(value, name) if isinstance(value, str) else _check_type(kind, value)


def _secret(value: Any, name: str) -> Secret:
    if value is None:
        raise NotParsable(_NONE)
    if isinstance(value, Secret):
        return value
    return Secret.at(value, name=name) if isinstance(value, str) else Secret(value, name=name)


def _ring(value: Any, name: str) -> KeyRing:
    if value is None:
        raise NotParsable(_NONE)
    return value if isinstance(value, KeyRing) else KeyRing(value, name=name)


def _of_union(options: tuple[Any, ...]) -> Convert:
    optional = type(None) in options
    converters = [converter(option) for option in options if option is not type(None)]

    def convert(value: Any, name: str) -> Any:
        if value is None or (value == "" and optional):
            return None
        for attempt in converters[:-1]:
            try:
                return attempt(value, name)
            except NotParsable:
                continue
        return converters[-1](value, name)

    return convert


def _of_text(kind: Any) -> Convert:
    origin = getattr(kind, "__origin__", kind)
    if origin in (list, tuple, set, frozenset):
        element = converter(_element(kind))
        return lambda text, name: origin(element(item.strip(), name) for item in text.split(",") if item.strip())
    if getattr(kind, "__members__", None) is not None:
        return lambda text, name: _enum_member(kind, text)  # noqa: ARG005
    known = _CONVERTERS.get(_name(kind))
    if known:
        return lambda text, name: known(text)  # noqa: ARG005
    return lambda text, name: _construct(kind, text)  # noqa: ARG005


def _construct(kind: Any, text: str) -> Any:
    if not callable(kind):
        return text
    try:
        return kind(text)
    except Exception:  # noqa: BLE001  Decimal raises ArithmeticError, ZoneInfo KeyError, and so on
        raise NotParsable(f"not a usable {_name(kind)}") from None


def _check_type(kind: Any, value: Any) -> Any:
    if value is None:
        raise NotParsable(_NONE)
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
    except (ValueError, OverflowError):
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


def _is_union(kind: Any) -> bool:
    return type(kind).__name__ == "UnionType" or _origin_is(kind, "typing.Union")


def _origin_is(kind: Any, name: str) -> bool:
    return str(getattr(kind, "__origin__", "")) == name


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
