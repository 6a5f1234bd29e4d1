"""The stored document: the session's data at the top level and `__metadata__` beside it."""

from __future__ import annotations

import marshal
import typing
from math import isfinite

from starsessions.exceptions import SessionError, SessionNotSerializable
from starsessions.types import SessionMetadata

if typing.TYPE_CHECKING:
    from starsessions.serializers import Serializer

__all__ = ["METADATA_KEY", "UNSERIALIZABLE", "Document", "DocumentError", "explain", "parse", "render"]

METADATA_KEY = "__metadata__"
_MARSHAL_FORMAT = 2  # later ones write whether two values are one and the same object
_ABSENT = object()
UNSERIALIZABLE = (TypeError, ValueError, RecursionError)  # the last one for what is nested too deeply
"""What serializers raise for a value that they cannot store."""
_SIMPLE = frozenset({str, int, float, bool, type(None)})

_FAR = 1e15  # seconds: further away than any time that is meant


class DocumentError(SessionError):
    """Stored bytes are no session document."""


class Document:
    """A session as it is in the store: the `record` there, decrypted `raw` bytes, `metadata` if it had any.

    `data` is the session that was made of it, which the application may have changed since. `renewed` says that
    reading it has begun the record's time to live anew. `endings` is how many sessions had ended before it was read
    or written. `owner` is the user whose session it is, if someone is signed in. `snapshot` is the data as marshal
    writes it, if the data is such that this gives the same bytes only for the same data.
    """

    __slots__ = ("data", "endings", "metadata", "owner", "raw", "record", "renewed", "snapshot")

    def __init__(
        self,
        record: bytes,
        raw: bytes,
        data: dict[str, typing.Any],
        metadata: SessionMetadata | None,
        snapshot: bytes | None = None,
    ) -> None:
        self.record = record
        self.raw = raw
        self.data = data
        self.metadata = metadata
        self.owner = metadata["user"] if metadata is not None and "user" in metadata else None
        self.snapshot = snapshot
        self.renewed = False
        self.endings = 0

    def untouched(self, serializer: Serializer) -> dict[str, typing.Any]:
        """Return the data as it was stored, apart from what the application has made of it."""
        data = serializer.deserialize(self.raw)
        data.pop(METADATA_KEY, None)
        return data

    def differs_from(self, session: dict[str, typing.Any], serializer: Serializer) -> bool:
        """Tell whether the plain dictionary `session` would be stored differently; changes deep inside of it count."""
        if self.metadata is None:
            return True  # its age must be recorded, or its lifetime would never begin
        # Rendering decides. Before that comes what is quicker and known for certain: for data as JSON has it,
        # marshal gives the same bytes only if everything is the same, in the same order and of the same types.
        if self.snapshot is not None:
            try:
                if marshal.dumps(session, _MARSHAL_FORMAT) == self.snapshot:
                    return False
            except ValueError:  # it does not know a type, or the data is nested too deeply
                pass
            if _has_other_entries(session, self.data):
                return True
        return render(session, self.metadata, serializer) != self.raw


def parse(record: bytes, raw: bytes, serializer: Serializer, is_json: bool = False) -> Document:
    """Return the document in `raw`. Raises DocumentError, whatever the serializer raised.

    `is_json`: the serializer gives only what JSON has. Other types may be alike for marshal: bytes, a bytearray and
    an array of these bytes.
    """
    try:
        data = serializer.deserialize(raw)
    except Exception as error:  # a serializer of the application's may raise anything
        raise DocumentError(f"{type(serializer).__name__} raised {type(error).__name__}") from error
    if not isinstance(data, dict):
        raise DocumentError(f"a dictionary was expected, not {type(data).__name__}")
    metadata = data.pop(METADATA_KEY, None)
    if metadata is not None and not _is_our_own(metadata):
        metadata = _checked(metadata)
    try:
        snapshot = marshal.dumps(data, _MARSHAL_FORMAT) if is_json else None
    except ValueError:  # it is nested too deeply
        snapshot = None
    return Document(record, raw, data, metadata, snapshot)


def _is_our_own(metadata: typing.Any) -> bool:
    """Tell at a glance, as every request does it, whether metadata are as we write them ourselves."""
    try:
        created, last_access = metadata["created"], metadata["last_access"]
        return (
            type(metadata["lifetime"]) is int
            and type(created) is type(last_access) is float
            and isfinite(created + last_access)  # a sum is finite only if its terms are
            and ("user" not in metadata or type(metadata["user"]) is str)
        )
    except (KeyError, TypeError):  # an entry is missing, or it is no dictionary
        return False


def _has_other_entries(session: dict[str, typing.Any], before: dict[str, typing.Any]) -> bool:
    """Tell whether there are more or fewer entries, or one with another simple value; False if that is not certain."""
    if len(session) != len(before):
        return True
    for key, value in session.items():
        if (old := before.get(key, _ABSENT)) is value or type(key) is not str or type(value) not in _SIMPLE:
            continue  # what is no plain text or number may be stored as what was there before
        is_nan = value != value  # noqa: PLR0124  which differs from itself
        if not is_nan and (type(old) is not type(value) or old != value):
            return True
    return False


def render(session: dict[str, typing.Any], metadata: SessionMetadata, serializer: Serializer) -> bytes:
    """Return the bytes of a document. Raises SessionNotSerializable, naming the key that cannot be stored."""
    try:
        return serializer.serialize({**session, METADATA_KEY: metadata})
    except UNSERIALIZABLE as error:
        raise SessionNotSerializable(explain(session, serializer, error)) from error


def explain(session: dict[str, typing.Any], serializer: Serializer, error: Exception) -> str:
    """Return which key of a session cannot be stored and what to do."""
    for key, value in session.items():
        try:
            serializer.serialize({key: value})
        except UNSERIALIZABLE:
            return (
                f"Session key {key!r} holds a {type(value).__name__} that {type(serializer).__name__} "
                f"cannot store ({error}). Store a simpler value, or pass a serializer that knows it."
            )
    return f"{type(serializer).__name__} cannot store the session ({error})."


def _checked(found: typing.Any) -> typing.Any:
    if not isinstance(found, dict):
        raise DocumentError(f"{METADATA_KEY} is a {type(found).__name__}")
    for name, missing in (("created", None), ("last_access", 0), ("lifetime", 0)):
        value: typing.Any = found.get(name, missing)
        # No subclass: a boolean is not a time. NaN is in no range; with what is beyond this one, calculating can fail.
        if type(value) not in {int, float} or not -_FAR < value < _FAR:
            raise DocumentError(f"{METADATA_KEY}.{name} is no number of seconds")
    # The dictionary is kept as it is, order and unknown entries included: it is compared byte by byte later.
    found.setdefault("last_access", found["created"])
    found.setdefault("lifetime", 0)
    if not isinstance(found.get("user", ""), str):
        raise DocumentError(f"{METADATA_KEY}.user is no text")
    return found
