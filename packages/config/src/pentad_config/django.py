"""Django: a `SECRET_KEY` that rotates, debug pages without secrets, and system checks.

Put `pentad_config.django.PentadConfig` into `INSTALLED_APPS` for the checks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Never, Self

from django.apps import AppConfig
from django.core import checks
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from pentad_config.conflicts import conflicts
from pentad_config.errors import SecretMisuse
from pentad_config.marker import marker
from pentad_config.redaction import redact
from pentad_config.sources import live_sources
from pentad_config.tokens import seconds_left

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pentad_config.keyring import KeyRing

__all__ = ["PentadConfig", "Reporter", "ReporterFilter", "django_keys"]


def django_keys(ring: KeyRing) -> tuple[str, list[str]]:
    """Return `SECRET_KEY` and `SECRET_KEY_FALLBACKS` as live views of the ring.

    Django and its apps keep what they were given at start; these two give the current keys whenever they are
    used, so a rotation needs no restart. Code that copies characters out of the key (`"".join(SECRET_KEY)`)
    sees the key that was current when the settings were loaded.
    """
    return _LiveKey(ring), _LiveFallbacks(ring)


def _live(name: str) -> Callable[..., Any]:
    def method(self: _LiveKey, *args: Any, **kwargs: Any) -> Any:
        return getattr(self._ring.primary, name)(*args, **kwargs)

    method.__name__ = name
    return method


class _LiveKey(str):  # noqa: SLOT000  it carries its ring
    """The signing key of a ring, as text that is looked up when it is used."""

    _ring: KeyRing

    # The base content is the real key: with a marker there, SECRET_KEY[:32] in somebody's C code would be guessable.
    def __new__(cls, ring: KeyRing) -> Self:
        self = super().__new__(cls, ring.primary)
        self._ring = ring
        return self

    def __str__(self) -> str:
        return self._ring.primary

    def __format__(self, spec: str) -> str:
        return format(self._ring.primary, spec)

    def __repr__(self) -> str:
        return marker("SECRET_KEY")

    def __len__(self) -> int:
        return len(self._ring.primary)

    def __eq__(self, other: object) -> bool:
        return self._ring.primary == other

    def __ne__(self, other: object) -> bool:
        return self._ring.primary != other

    def __hash__(self) -> int:
        return id(self)  # equal texts at different times are one object; nothing may be cached by the old text

    def __reduce__(self) -> Any:
        raise SecretMisuse("SECRET_KEY is a view of a key ring and is not pickled.")

    def __deepcopy__(self, memo: dict[int, Any]) -> _LiveKey:
        return self


for _name in (
    *("__add__", "__contains__", "__getitem__", "__iter__", "__mod__", "__mul__", "encode", "endswith", "find"),
    *(
        "format",
        "index",
        "join",
        "ljust",
        "lower",
        "replace",
        "rjust",
        "split",
        "startswith",
        "strip",
        "upper",
        "zfill",
    ),
):
    setattr(_LiveKey, _name, _live(_name))


class _LiveFallbacks(list[str]):
    """The other keys of a ring, as a list that is looked up when it is used."""

    def __init__(self, ring: KeyRing) -> None:
        super().__init__()
        self._ring = ring

    def _now(self) -> list[str]:
        return self._ring.newest_first()[1:]

    def __iter__(self) -> Iterator[str]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())

    def __getitem__(self, index: Any) -> Any:
        return self._now()[index]

    def __contains__(self, key: object) -> bool:
        return key in self._now()

    def __add__(self, other: list[Any]) -> list[Any]:
        return self._now() + list(other)

    def __radd__(self, other: list[Any]) -> list[Any]:
        return list(other) + self._now()

    def __bool__(self) -> bool:
        return bool(self._now())

    def __eq__(self, other: object) -> bool:
        return self._now() == other

    def __ne__(self, other: object) -> bool:
        return self._now() != other

    __hash__ = None

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._now())

    def copy(self) -> list[str]:
        """Return the current keys as an ordinary list."""
        return self._now()

    def index(self, *arguments: Any) -> int:
        """Return the place of a key."""
        return self._now().index(*arguments)

    def count(self, key: str) -> int:
        """Return how often a key is there."""
        return self._now().count(key)

    def _refuse(self, *_arguments: Any) -> Never:
        raise TypeError(
            "SECRET_KEY_FALLBACKS follows its key ring and is not changed by itself. Put the key into the ring."
        )

    # The list's own methods would change what nobody reads: the added key would verify nothing.
    append = extend = insert = remove = pop = clear = sort = reverse = _refuse  # type: ignore[assignment]
    __iadd__ = __imul__ = __setitem__ = __delitem__ = _refuse

    def __repr__(self) -> str:
        return repr([marker("SECRET_KEY_FALLBACKS")] * len(self))

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise SecretMisuse("SECRET_KEY_FALLBACKS is a view of a key ring and is not pickled.")


class ReporterFilter(SafeExceptionReporterFilter):
    """Django's filter, and every value of a live secret taken out of settings, request and local variables.

    Use it as `DEFAULT_EXCEPTION_REPORTER_FILTER`. Django's own filter goes by names; this one finds the values,
    under whatever name and inside whatever text they stand.
    """

    def cleanse_setting(self, key: Any, value: Any) -> Any:
        """Return the setting as it may be shown."""
        return redact(super().cleanse_setting(key, value))

    def get_traceback_frame_variables(self, request: Any, tb_frame: Any) -> Any:
        """Return the frame's variables as they may be shown."""
        return [(name, _shown(value)) for name, value in super().get_traceback_frame_variables(request, tb_frame)]

    def get_post_parameters(self, request: Any) -> Any:
        """Return the request's form as it may be shown."""
        return {name: redact(value) for name, value in super().get_post_parameters(request).items()}


class _Shown:
    """Stands for a local variable: its repr is the variable's, redacted."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


class Reporter(ExceptionReporter):
    """Django's debug page and error mail without the values of live secrets, wherever they stand.

    Use it as `DEFAULT_EXCEPTION_REPORTER`. The filter above cleans settings and variables; the exception's own
    message, the source lines, the query and the cookies are cleaned here.
    """

    def get_traceback_data(self) -> dict[str, Any]:
        """Return what the page is made of, as it may be shown."""
        data = _searchable(super().get_traceback_data())
        data["frames"] = [_searchable(frame) for frame in data.get("frames", ())]
        cleaned: dict[str, Any] = redact(data)
        return cleaned


def _searchable(data: dict[str, Any]) -> dict[str, Any]:
    """Return `data` with exceptions as text and views of dictionaries as lists: `redact` leaves other objects."""
    items = {name: list(item) for name, item in data.items() if name.endswith("_items") and item is not None}
    texts = {name: str(item) for name, item in data.items() if isinstance(item, BaseException)}
    return {**data, **items, **texts}


def _shown(value: Any) -> Any:
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001  Django shows objects whose repr fails, and says so itself
        return value
    clean = redact(text)
    return value if clean == text else _Shown(clean)


class PentadConfig(AppConfig):
    """Registers the system checks of pentad_config."""

    name = "pentad_config"
    label = "pentad_config"

    def ready(self) -> None:
        """Register the checks."""
        checks.register(_check_secret_key, checks.Tags.security)
        checks.register(_check_sources, checks.Tags.security)
        checks.register(_check_tokens, checks.Tags.security)
        checks.register(_check_conflicts, checks.Tags.compatibility)


def _check_secret_key(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[checks.CheckMessage]:  # noqa: ARG001
    from django.conf import settings

    key = getattr(settings, "SECRET_KEY", "")
    if isinstance(key, _LiveKey) and key._ring.problem is not None:  # noqa: SLF001
        text = f"SECRET_KEY is of older keys than its source: {key._ring.problem}"  # noqa: SLF001
        return [checks.Warning(text, id="pentad_config.W002")]
    text = str(key)
    if text and (not text.strip("*") or ": redacted>" in text):
        return [
            checks.Error(
                "SECRET_KEY is a redaction marker: everybody knows what this site signs with.",
                hint="str() was called on a secret. Use pentad_config.django.django_keys, or pass secret.reveal().",
                id="pentad_config.E001",
            )
        ]
    return []


def _check_sources(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[checks.CheckMessage]:  # noqa: ARG001
    return [
        checks.Warning(f"A secret serves its last good value: {source.problem}", id="pentad_config.W001")
        for source in live_sources()
        if source.problem is not None
    ]


def _check_tokens(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[checks.CheckMessage]:  # noqa: ARG001
    return [
        checks.Warning(
            f"{source.name}: {source.ref or 'its value'} is a token that has expired.",
            hint="Renew it, and see who should have.",
            id="pentad_config.W003",
        )
        for source in live_sources()
        if source.recent and (seconds_left(source.recent[0]) or 0) < 0
    ]


def _check_conflicts(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[checks.CheckMessage]:  # noqa: ARG001
    return [
        checks.Error(text, hint="Uninstall both, then install ours again.", id="pentad_config.E002")
        for text in conflicts()
    ]
