"""Sessions with a shape: a TypedDict, a dataclass or a pydantic model in place of a dictionary.

Requires pydantic 2 (the `typed` extra), which reads and writes all three.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
import typing

from starsessions.extras import from_extra

with from_extra("typed"):
    from pydantic import TypeAdapter, ValidationError

from starsessions.exceptions import ImproperlyConfigured, SessionNotSerializable
from starsessions.ids import fingerprint
from starsessions.session import get_session_handler, load_session

if typing.TYPE_CHECKING:
    from starlette.requests import HTTPConnection

__all__ = ["TypedSession", "load_typed_session"]

T = typing.TypeVar("T")
_SLOTS = "starsessions.typed"  # where a connection's scope keeps the values that were handed out
_logger = logging.getLogger("starsessions")


class TypedSession(typing.Generic[T]):
    """A part of one connection's session as a value of type `T`; `load_typed_session` makes it.

    Changes of the value, however deep, are stored with the session.
    """

    def __init__(self, connection: HTTPConnection, shape: _Shape[T]) -> None:
        self._connection = connection
        self._shape = shape
        self._had_data = bool(self._session)
        self._value = shape.parse(self._session, get_session_handler(connection).session_id)
        self._stored = None if self._value is None else shape.dump(self._value)

    @property
    def value(self) -> T | None:
        """The value, or None if the session holds none and the type has no defaults for all of its fields.

        Assign a new one to store it, or None to remove it from the session.
        """
        return self._value

    @value.setter
    def value(self, value: T | None) -> None:
        self._value = value
        self._write()

    @property
    def _session(self) -> dict[str, typing.Any]:
        return typing.cast("dict[str, typing.Any]", self._connection.scope["session"])

    def write_changes(self) -> None:
        """Put a changed value into the session. It is called whenever the session is about to be stored."""
        # A session that the application has emptied is a logout, which a value from before must not undo.
        if self._session or not self._had_data:
            self._write()

    def _write(self) -> None:
        current = None if self._value is None else self._shape.dump(self._value)
        if current == self._stored:
            return
        self._shape.write(self._session, self._stored, current)
        self._stored = current


async def load_typed_session(connection: HTTPConnection, model: type[T], *, key: str | None = None) -> TypedSession[T]:
    """Load the session and return the part of it that has the type `model`.

    model: a TypedDict, a dataclass or a pydantic model, whose fields are entries of the session beside others; with
    `key` the entry of that name holds the whole value, which may then be of any type that pydantic knows.

    Called again with the same arguments during a request, it returns the same object. Stored data that does not fit
    counts as absent and stays as it is until a value is stored; the logger `starsessions` says so with the event
    `session.shape_mismatch`. Absent data gives the type's defaults.
    Raises ImproperlyConfigured for a type without fields and no `key`.
    """
    await load_session(connection)
    slots = connection.scope.setdefault(_SLOTS, {})
    handler = get_session_handler(connection)
    name = (handler, model, key)
    if name not in slots:
        slots[name] = TypedSession(connection, _shape(typing.cast("typing.Any", model), key))
        handler.before_save(slots[name].write_changes)
    return typing.cast("TypedSession[T]", slots[name])


class _Shape(typing.Generic[T]):
    """How values of a type are read from the entries of a session and written to them."""

    def __init__(self, model: type[T], key: str | None) -> None:
        self.name = getattr(model, "__name__", str(model))
        self._key = key
        self._adapter = TypeAdapter(model)
        if key is None and not _has_fields(model):
            raise ImproperlyConfigured(f"{self.name} has no fields: say which entry of the session holds it, key=...")

    def parse(self, session: dict[str, typing.Any], session_id: str | None) -> T | None:
        """Return the value in `session`, else the type's defaults, else None."""
        if self._key is not None and self._key not in session:
            return self._defaults()
        try:
            return self._adapter.validate_python(dict(session) if self._key is None else session[self._key])
        except ValidationError as error:
            if self._key is not None or not _is_absent(error):
                self._report(error, session_id)
            return self._defaults()

    def dump(self, value: T) -> dict[str, str]:
        """Return the entries that hold `value`, each as JSON. Raises SessionNotSerializable."""
        try:
            dumped = self._adapter.dump_python(value, mode="json", by_alias=True, warnings="error")
        except ValueError as error:  # pydantic's PydanticSerializationError is one
            raise SessionNotSerializable(f"The session's {self.name} cannot be stored: {error}") from error
        if self._key is not None:
            return {self._key: json.dumps(dumped)}
        return {name: json.dumps(entry) for name, entry in dumped.items()}

    @staticmethod
    def write(session: dict[str, typing.Any], old: dict[str, str] | None, new: dict[str, str] | None) -> None:
        """Change the entries of `session` that differ between `old` and `new`; leave the others alone."""
        old, new = old or {}, new or {}
        for name in old.keys() - new.keys():
            session.pop(name, None)
        for name, entry in new.items():
            if name not in session or old.get(name) != entry:
                session[name] = json.loads(entry)

    def _defaults(self) -> T | None:
        try:
            return self._adapter.validate_python({})
        except ValidationError:
            return None

    def _field(self, place: tuple[int | str, ...]) -> str:
        # No deeper: further inside, a place is named by keys of the data, which may be whatever a visitor sent.
        name = self._key if self._key is not None else (place or ("the value",))[0]
        return str(name).encode("unicode_escape").decode()

    def _report(self, error: ValidationError, session_id: str | None) -> None:
        # Neither the values nor the texts of validators, which may quote them.
        found = error.errors(include_url=False, include_context=False, include_input=False)
        reason = ", ".join(dict.fromkeys(f"{self._field(item['loc'])} ({item['type']})" for item in found))
        session = fingerprint(session_id or "")
        extra = {"event": "session.shape_mismatch", "session": session, "reason": reason}
        _logger.warning("Session %s does not fit %s and counts as new: %s", session, self.name, reason, extra=extra)


@functools.cache
def _shape(model: typing.Any, key: str | None) -> _Shape[typing.Any]:
    return _Shape(model, key)


def _has_fields(model: typing.Any) -> bool:
    is_model = hasattr(model, "model_fields") and not model.__pydantic_root_model__
    is_typed_dict = hasattr(model, "__total__")  # typing.is_typeddict does not know that of typing_extensions
    return is_model or is_typed_dict or dataclasses.is_dataclass(model)


def _is_absent(error: ValidationError) -> bool:
    """Tell whether nothing is wrong but that fields of the type itself are not there."""
    return all(item["type"] == "missing" and len(item["loc"]) == 1 for item in error.errors(include_input=False))
