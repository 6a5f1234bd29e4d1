"""The stored document: the session's data at the top level and `__metadata__` beside it."""

from __future__ import annotations

import dataclasses
import marshal
import math
import typing

from starsessions.exceptions import SessionError, SessionNotSerializable
from starsessions.types import SessionMetadata

if typing.TYPE_CHECKING:
    from starsessions.serializers import Serializer

__all__ = ["METADATA_KEY", "Document", "DocumentError", "render"]

METADATA_KEY = "__metadata__"
_TEXT = frozenset({str})
_SIMPLE = frozenset({str, int, float, bool, type(None)})


class DocumentError(SessionError):
    """Stored bytes are no session document."""


@dataclasses.dataclass(slots=True)
class Document:
    """A session as it is in the store: the `record` there, decrypted `raw` bytes, `metadata` if it had any.

    `data` is the session that was made of it, which the application may have changed since. `renewed` says that
    reading it has begun the record's time to live anew. `endings` is how many sessions had ended before it was read
    or written.
    """

    record: bytes
    raw: bytes
    data: dict[str, typing.Any]
    metadata: SessionMetadata | None
    snapshot: bytes | None = None
    renewed: bool = False
    endings: int = 0

    @classmethod
    def parse(cls, record: bytes, raw: bytes, serializer: Serializer) -> Document:
        """Return the document in `raw`. Raises DocumentError, whatever the serializer raised."""
        try:
            data = serializer.deserialize(raw)
        except Exception as error:  # a serializer of the application's may raise anything
            raise DocumentError(f"{type(serializer).__name__} raised {type(error).__name__}") from error
        if not isinstance(data, dict):
            raise DocumentError(f"a dictionary was expected, not {type(data).__name__}")
        found = data.pop(METADATA_KEY, None)
        return cls(record, raw, data, None if found is None else _metadata(found), _snapshot(data))

    @property
    def owner(self) -> str | None:
        """The user whose session it is, if someone is signed in."""
        return self.metadata.get("user") if self.metadata else None

    def tell(self, metadata: SessionMetadata, now: float) -> None:
        """Bring what stays the same for all of a session's life into the metadata of a request."""
        stored = self.metadata
        if stored is None:
            return
        if stored["created"] < now:
            metadata["created"] = stored["created"]
        if "user" in stored:
            metadata["user"] = stored["user"]

    def untouched(self, serializer: Serializer) -> dict[str, typing.Any]:
        """Return the data as it was stored, apart from what the application has made of it."""
        data = serializer.deserialize(self.raw)
        data.pop(METADATA_KEY, None)
        return data

    def differs_from(self, session: dict[str, typing.Any], serializer: Serializer) -> bool:
        """Tell whether `session` would be stored differently; changes deep inside of it count."""
        if self.metadata is None:
            return True  # its age must be recorded, or its lifetime would never begin
        if self.snapshot is not None:
            plain = dict(session)
            snapshot = _snapshot(plain)
            if snapshot == self.snapshot:
                return False
            if snapshot is not None and _is_stored_as_it_is(plain):
                return True
        return render(session, self.metadata, serializer) != self.raw


def _is_stored_as_it_is(data: dict[str, typing.Any]) -> bool:
    """Tell whether nothing becomes something else when stored, as tuples become lists: then other data is stored."""
    containers: list[typing.Any] = [data]
    for container in containers:  # those in it are appended
        values = container
        if type(container) is dict:
            if not _TEXT.issuperset(map(type, container)):
                return False
            values = container.values()
        elif type(container) is not list:
            return False
        containers += [value for value in values if type(value) not in _SIMPLE]
    return True


def _snapshot(data: dict[str, typing.Any]) -> bytes | None:
    """Return bytes that are equal only for equal data, or None: quicker to compare than what a serializer makes."""
    try:
        return marshal.dumps(data, 2)
    except ValueError:  # types of a serializer of the application's
        return None


def render(session: dict[str, typing.Any], metadata: SessionMetadata, serializer: Serializer) -> bytes:
    """Return the bytes of a document. Raises SessionNotSerializable, naming the key that cannot be stored."""
    try:
        return serializer.serialize({**session, METADATA_KEY: metadata})
    except (TypeError, ValueError) as error:
        raise SessionNotSerializable(_explained(session, serializer, error)) from error


def _explained(session: dict[str, typing.Any], serializer: Serializer, error: Exception) -> str:
    for key, value in session.items():
        try:
            serializer.serialize({key: value})
        except (TypeError, ValueError):
            return (
                f"Session key {key!r} holds a {type(value).__name__} that {type(serializer).__name__} "
                f"cannot store ({error}). Store a simpler value, or pass a serializer that knows it."
            )
    return f"{type(serializer).__name__} cannot store the session ({error})."


def _metadata(found: typing.Any) -> typing.Any:
    # What we write ourselves is known at a glance, as every request reads it. A sum is finite only if its terms are.
    if (
        type(found) is dict
        and type(found.get("created")) is float
        and type(found.get("last_access")) is float
        and type(found.get("lifetime")) is int
        and type(found.get("user", "")) is str
        and math.isfinite(found["created"] + found["last_access"])
    ):
        return found
    return _checked(found)


def _checked(found: typing.Any) -> typing.Any:
    if not isinstance(found, dict):
        raise DocumentError(f"{METADATA_KEY} is a {type(found).__name__}")
    for name, missing in (("created", None), ("last_access", 0), ("lifetime", 0)):
        value = found.get(name, missing)
        # No subclass: a boolean is not a time.
        if type(value) is not int and not (type(value) is float and math.isfinite(value)):
            raise DocumentError(f"{METADATA_KEY}.{name} is not a number")
    # The dictionary is kept as it is, order and unknown entries included: it is compared byte by byte later.
    found.setdefault("last_access", found["created"])
    found.setdefault("lifetime", 0)
    if not isinstance(found.get("user", ""), str):
        raise DocumentError(f"{METADATA_KEY}.user is no text")
    return found
