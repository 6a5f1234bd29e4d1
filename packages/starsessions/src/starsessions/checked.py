"""Sessions that refuse a value where it is put in, not when the handler has done its work and it is to be stored."""

from __future__ import annotations

import typing

from starsessions.document import METADATA_KEY, UNSERIALIZABLE, explain
from starsessions.exceptions import SessionNotSerializable
from starsessions.guard import Session

if typing.TYPE_CHECKING:
    from starsessions.serializers import Serializer

__all__ = ["CheckedSession"]


class CheckedSession(Session):
    """A session whose entries the serializer can store and give back as they are.

    What is changed deep inside of an entry is seen when the session is stored, as ever.
    """

    __slots__ = ()

    def __setitem__(self, key: str, value: typing.Any) -> None:
        """Raises SessionNotSerializable, which names the key."""
        self._check({key: value})
        super().__setitem__(key, value)

    def setdefault(self, key: str, default: typing.Any = None) -> typing.Any:
        """Raises SessionNotSerializable, which names the key."""
        if key not in self:
            self[key] = default
        return self[key]

    def update(self, *args: typing.Any, **entries: typing.Any) -> None:
        """Put all of the entries in, or none. Raises SessionNotSerializable, which names the key."""
        new = dict(*args, **entries)
        self._check(new)
        super().update(new)

    def __ior__(self, other: typing.Any) -> typing.Self:  # type: ignore[override,misc]  # as dict's own does
        self.update(other)
        return self

    def _check(self, entries: dict[str, typing.Any]) -> None:
        serializer = self._handler.serializer if self._handler else None
        for key, value in entries.items() if serializer else ():
            wrong = _wrong(key, value, typing.cast("Serializer", serializer))
            if wrong is not None:
                raise SessionNotSerializable(wrong)


def _wrong(key: str, value: typing.Any, serializer: Serializer) -> str | None:
    """Say what is wrong with an entry; None if it comes back as it is."""
    if key == METADATA_KEY:
        return f"Session key {key!r} is where the session's own metadata are stored."
    try:
        back = serializer.deserialize(serializer.serialize({key: value}))
    except UNSERIALIZABLE as error:
        return explain({key: value}, serializer, error)
    difference = _difference({key: value}, back)
    return difference and f"Session key {key!r} would not come back as it is: {difference}."


def _difference(value: typing.Any, back: typing.Any) -> str | None:
    """Name the first thing in which what came back is something else."""
    if isinstance(value, dict) and isinstance(back, dict):
        changed = (f"the key {key!r} is no text" for key in value if key not in back)
        return next(changed, None) or _first((value[key], back[key]) for key in value)
    if type(value) is type(back) and isinstance(value, (list, tuple)):
        return _first(zip(value, back, strict=False))
    if type(value) is type(back) or value == back:
        return None
    return f"a {type(value).__name__} becomes a {type(back).__name__}"


def _first(pairs: typing.Iterable[tuple[typing.Any, typing.Any]]) -> str | None:
    return next(filter(None, (_difference(value, back) for value, back in pairs)), None)
