"""Stored rows as what the application once recorded, or the reason why that cannot be shown."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pprint import pformat
from typing import Any
from uuid import UUID

from django.utils.timezone import is_naive, localtime

from eventsourcing_django.admin.applications import AnyApplication
from eventsourcing_django.library import made_stored_event, originator_id_of, said_by
from pentad_config import redact

__all__ = ["Decoded", "Field", "class_name", "decoded", "fields", "reason"]

_LONGEST = 10_000  # characters of a value, and
_LONGEST_REASON = 500  # of a reason
_MOST_LINES = 20  # of a text that a page shows unasked
_LINE = 100  # characters
_DEEPEST = 100  # containers inside of each other
_SHORTEST_SECRET = 8  # characters; anything shorter is in any text by chance
_PLAIN = (str, date, time, timedelta, Decimal, UUID)  # more readable without the call that makes them
_SHOWN_ELSEWHERE = frozenset({"originator_id", "originator_version", "timestamp"})
# Attributes of the library's own aggregates; the page says elsewhere what those without a name hold.
_PUBLIC = {"_id": "", "_version": "", "_pending_events": "", "_created_on": "created_on", "_modified_on": "modified_on"}
_UNKNOWN = (
    "This process has no application called {name!r}, so it does not know how its events are encoded. Hold the"
    " application, or the runner of its system, as an attribute of an AppConfig, or name it in the setting"
    " EVENTSOURCING_ADMIN_APPLICATIONS."
)


@dataclass(frozen=True)
class Field:
    """A name and the text of its value; `changed`: the event that is looked at has changed it."""

    name: str
    text: str
    changed: bool = False

    @property
    def is_long(self) -> bool:
        """Whether the text would take up so much of a page that it is shown only to whoever opens it."""
        return sum(1 + len(line) // _LINE for line in self.text.splitlines()) > _MOST_LINES


@dataclass(frozen=True)
class Decoded:
    """An event or snapshot; without `event` there is a `problem`."""

    event: Any = None
    problem: str = ""

    @property
    def timestamp(self) -> datetime | None:
        """When it was recorded, by the clock of the process that did, if events of its class say so."""
        timestamp = getattr(said_by(self.event), "timestamp", None) if self.event else None
        return timestamp if isinstance(timestamp, datetime) else None

    @property
    def recorded_at(self) -> str:
        """The timestamp in the current time zone, or nothing."""
        return "" if self.timestamp is None else _local(self.timestamp).isoformat(" ", "milliseconds")

    @property
    def fields(self) -> list[Field]:
        """What the event says, without what every event has."""
        if not self.event:
            return []
        return [field for field in fields(said_by(self.event)) if field.name not in _SHOWN_ELSEWHERE]


def decoded(row: Any, applications: Mapping[str, AnyApplication]) -> Decoded:
    """Decode, decompress and decrypt a row of a table of events or snapshots as its application does."""
    application = applications.get(row.application_name)
    if application is None:
        return Decoded(problem=_UNKNOWN.format(name=row.application_name))
    stored = made_stored_event(
        originator_id_of(row.originator_id),
        row.originator_version,
        row.topic,
        bytes(row.state),
        row.event_id,
        row.metadata,
    )
    try:
        return Decoded(application.mapper.to_domain_event(stored))
    except Exception as error:  # noqa: BLE001  # the project's classes and keys: whatever they raise is the answer
        return Decoded(problem=reason(error, application))


def reason(error: BaseException, application: AnyApplication) -> str:
    """Say what went wrong without anything that opens a ciphertext."""
    text = redact(f"{type(error).__name__}: {error}")
    for secret in _secrets(application.env):
        text = text.replace(secret, "***")
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}..."


def _secrets(env: Mapping[str, str]) -> Iterable[str]:
    values = (value for name, value in env.items() if "KEY" in name or "PASSWORD" in name or "SECRET" in name)
    keys = {part for value in values for part in (value, *value.split())}
    return sorted((key for key in keys if len(key) >= _SHORTEST_SECRET), key=len, reverse=True)


def _local(at: datetime) -> datetime:
    try:
        return at if is_naive(at) else localtime(at)
    except OverflowError:  # there it would be before the first year, or after the last
        return at


def class_name(topic: str) -> str:
    """Give the class of a topic without its module."""
    return topic.rpartition(":")[2]


def fields(value: Any) -> list[Field]:
    """Give the attributes of an event or of an aggregate as text."""
    shown = {_PUBLIC.get(name, name): item for name, item in _attributes(value).items()}
    return [Field(name, _text(item)) for name, item in shown.items() if name]


def _attributes(value: Any) -> dict[str, Any]:
    try:
        return dict(vars(value))
    except TypeError:  # objects with slots, such as msgspec's structs
        names: tuple[str, ...] = getattr(value, "__struct_fields__", ()) or getattr(value, "__slots__", ())
        return {name: getattr(value, name, None) for name in names}


def _text(value: Any) -> str:
    try:
        text = str(value) if isinstance(value, _PLAIN) else pformat(_Shown().of(value), width=_LINE)
    except Exception as error:  # noqa: BLE001  # a repr() of the project's own
        text = f"a {type(value).__name__} whose repr() raises {type(error).__name__}"
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST]}... ({f'{len(text):,} characters' if isinstance(value, str) else 'and more'})"


class _Shown:
    """Finds what will be seen of a value: to format all of a huge one, only to cut it off, takes minutes."""

    def __init__(self) -> None:
        self._characters = _LONGEST  # at least so many are left to be seen

    def of(self, value: Any, depth: int = 0) -> Any:
        """Give a value without the parts whose text would come after the last character that is shown."""
        kind = type(value)
        if kind in (str, bytes):
            self._characters -= len(value)
            return value[: _LONGEST + 1]
        if kind is dict:
            return {self.of(key): self._item(item, depth) for key, item in self._affordable(value.items())}
        if kind in (list, tuple, set, frozenset):
            return kind(self._item(item, depth) for item in self._affordable(value))
        return value

    def _item(self, item: Any, depth: int) -> Any:
        return self.of(item, depth + 1) if depth < _DEEPEST else ...

    def _affordable(self, items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            if self._characters < 0:
                return
            self._characters -= len(", ")
            yield item
