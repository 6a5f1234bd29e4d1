"""The settings of one storage, from wherever they were written, as typed values.

Each is looked up in this order: keyword of the constructor, `STORAGES[alias]["OPTIONS"]`, the global Django
setting of the same name, the default.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings

from django_minio_backend import epoch
from django_minio_backend.errors import ConfigurationError, PrivatePublicMixedError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DEFAULTS", "OURS", "SECRETS", "Options", "get_setting", "get_storages_setting"]

_MIB: Final = 1024 * 1024
_MISSING: Final = object()

OURS: Final = "django_minio_backend."

DEFAULTS: Final[Mapping[str, Any]] = {
    "MINIO_ENDPOINT": None,
    "MINIO_ACCESS_KEY": None,
    "MINIO_SECRET_KEY": None,
    "MINIO_SESSION_TOKEN": None,
    "MINIO_CREDENTIALS": None,
    "MINIO_USE_HTTPS": None,
    "MINIO_EXTERNAL_ENDPOINT": None,
    "MINIO_EXTERNAL_ENDPOINT_USE_HTTPS": None,
    "MINIO_REGION": "us-east-1",
    "MINIO_URL_EXPIRY_HOURS": timedelta(days=7),
    "MINIO_CONSISTENCY_CHECK_ON_START": False,
    "MINIO_PRIVATE_BUCKETS": (),
    "MINIO_PUBLIC_BUCKETS": (),
    "MINIO_PUBLIC_LISTING": False,
    "MINIO_POLICY_HOOKS": (),
    "MINIO_DEFAULT_BUCKET": "auto-generated-bucket-media-files",
    "MINIO_STATIC_FILES_BUCKET": "auto-generated-bucket-static-files",
    "MINIO_BUCKET_CHECK_ON_SAVE": False,
    "MINIO_HTTP_CLIENT": None,
    "MINIO_CONNECT_TIMEOUT": 5.0,
    "MINIO_READ_TIMEOUT": 60.0,
    "MINIO_RETRIES": 3,
    "MINIO_CONDITIONAL_WRITES": None,
    "MINIO_MULTIPART_UPLOAD": False,
    "MINIO_MULTIPART_THRESHOLD": 10 * _MIB,
    "MINIO_MULTIPART_PART_SIZE": 10 * _MIB,
    "MINIO_URL_CACHING_ENABLED": False,
    "MINIO_URL_CACHE_TIMEOUT": None,
    "MINIO_URL_CACHE_PREFIX": "minio_url_",
}
_OLD_NAMES: Final[Mapping[str, str]] = {"MINIO_DEFAULT_BUCKET": "MINIO_MEDIA_FILES_BUCKET"}
SECRETS: Final = ("MINIO_ACCESS_KEY", "MINIO_SECRET_KEY", "MINIO_SESSION_TOKEN")


def get_setting(name: str, default: Any = None) -> Any:
    """Return the global Django setting `name`, or `default` where it is not set."""
    return getattr(settings, name, default)


def get_storages_setting(name: str, storage: str = "default", default: Any = None) -> Any:
    """Return `STORAGES[storage]["OPTIONS"][name]`, or `default`. An unknown alias is a KeyError."""
    return settings.STORAGES[storage].get("OPTIONS", {}).get(name, default)


@dataclass(frozen=True)
class Options:
    """The settings of the storage `alias`, with the keyword arguments it was built with."""

    given: Mapping[str, Any] = field(repr=False)
    alias: str = "default"
    _memo: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def get(self, name: str) -> Any:
        """Return the setting as it was written, by the order of precedence. Credentials are never remembered."""
        now = epoch.current()
        if self._memo.get("epoch") is not now:
            self._memo.clear()
            self._memo["epoch"] = now
        value = self._memo.get(name, _MISSING)
        if value is not _MISSING:
            return value
        value = self._look_up(name)
        if name not in SECRETS:
            self._memo[name] = value
        return value

    def _look_up(self, name: str) -> Any:
        for candidate in filter(None, (name, _OLD_NAMES.get(name))):
            for source in (self.given, self._entry):
                if candidate in source:
                    return source[candidate]
            value = getattr(settings, candidate, _MISSING)
            if value is not _MISSING:
                return value
        return DEFAULTS[name]

    def is_set(self, name: str) -> bool:
        """Tell whether somebody wrote the setting down anywhere."""
        names = filter(None, (name, _OLD_NAMES.get(name)))
        return any(key in self.given or key in self._entry or hasattr(settings, key) for key in names)

    def is_given(self, name: str) -> bool:
        """Tell whether a credential has a value, without revealing it."""
        value = self.get(name)
        return value is not None and not (isinstance(value, str) and not value)

    @property
    def _entry(self) -> Mapping[str, Any]:
        """The OPTIONS of the alias. Options of another backend's entry hold no name of ours: harmless."""
        if self.alias not in settings.STORAGES:
            raise KeyError(self.alias)
        options: Mapping[str, Any] = settings.STORAGES[self.alias].get("OPTIONS") or {}
        return options

    @property
    def legacy(self) -> bool:
        """True for the settings style of the 3.x releases: everything global, nothing in OPTIONS."""
        written = "MINIO_ENDPOINT" in self.given or "MINIO_ENDPOINT" in self._entry
        return not written and bool(getattr(settings, "MINIO_ENDPOINT", None))

    @property
    def private_buckets(self) -> list[str]:
        """The buckets declared private, as a list of its own."""
        return _names("MINIO_PRIVATE_BUCKETS", self.get("MINIO_PRIVATE_BUCKETS"))

    @property
    def public_buckets(self) -> list[str]:
        """The buckets declared public, as a list of its own."""
        return _names("MINIO_PUBLIC_BUCKETS", self.get("MINIO_PUBLIC_BUCKETS"))

    @property
    def expiry(self) -> timedelta:
        """How long links to private objects are valid: a timedelta, or a number of hours."""
        return as_expiry(self.get("MINIO_URL_EXPIRY_HOURS"))

    @property
    def secure(self) -> bool:
        """Whether the server is reached over TLS."""
        return bool(self.get("MINIO_USE_HTTPS"))

    def check_unmixed(self) -> None:
        """Raise PrivatePublicMixedError if a bucket is declared both private and public."""
        both = sorted(set(self.private_buckets) & set(self.public_buckets))
        if both:
            raise PrivatePublicMixedError(
                f"Declared both private and public: {', '.join(both)}. Keep each bucket in only one of "
                "MINIO_PRIVATE_BUCKETS and MINIO_PUBLIC_BUCKETS."
            )

    def check(self) -> None:
        """Raise ConfigurationError that names every missing or wrong setting at once."""
        found = self.problems()
        if found:
            where = "the global settings" if self.legacy else f"STORAGES[{self.alias!r}]['OPTIONS']"
            raise ConfigurationError(f"The storage configured in {where} is not usable: " + " ".join(found))

    def problems(self) -> list[str]:
        """Return one sentence for each setting that is missing or wrong."""
        checks = (self._endpoint_problems, self._credential_problems, self._value_problems)
        return [problem for check in checks for problem in check()]

    def _endpoint_problems(self) -> list[str]:
        found = [
            f"{name}: {self.get(name)!r} is not host or host:port (no scheme, no path)."
            for name in ("MINIO_ENDPOINT", "MINIO_EXTERNAL_ENDPOINT")
            if self.get(name) and not _is_host(self.get(name))
        ]
        if not self.get("MINIO_ENDPOINT"):
            found.append("MINIO_ENDPOINT: missing; write the server's host:port.")
        if self.legacy and self.get("MINIO_USE_HTTPS") is None:
            found.append("MINIO_USE_HTTPS: missing; write True or False.")
        pair = [self.get(f"MINIO_EXTERNAL_ENDPOINT{end}") is None for end in ("", "_USE_HTTPS")]
        if pair[0] != pair[1]:
            found.append("MINIO_EXTERNAL_ENDPOINT and MINIO_EXTERNAL_ENDPOINT_USE_HTTPS: set both or neither.")
        return found

    def _credential_problems(self) -> list[str]:
        if self.get("MINIO_CREDENTIALS") is not None:
            return []
        how = "write the key, 'env:VARIABLE', 'file:/path' or a pentad_config.Secret"
        return [f"{name}: missing; {how}." for name in SECRETS[:2] if not self.is_given(name)]

    def _value_problems(self) -> list[str]:
        found = [
            f"{name}: a positive number of seconds is needed, not {self.get(name)!r}."
            for name in ("MINIO_CONNECT_TIMEOUT", "MINIO_READ_TIMEOUT")
            if not _is_positive(self.get(name))
        ]
        try:
            self.expiry  # noqa: B018  evaluated for its check
        except ConfigurationError as error:
            found.append(str(error))
        return found

    def unknown(self) -> list[str]:
        """Return one sentence for each setting of OPTIONS that starts with MINIO_ and that nobody reads."""
        known = [*DEFAULTS, *_OLD_NAMES.values()]
        return [
            f"{name}: unknown setting.{_hint(name, known)}"
            for name in self._entry
            if name.startswith("MINIO_") and name not in known
        ]


def as_expiry(value: Any) -> timedelta:
    """Return a link's validity as a timedelta. Raises ConfigurationError for anything but hours or a timedelta."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return timedelta(hours=value)
    raise ConfigurationError(
        f"MINIO_URL_EXPIRY_HOURS: a timedelta or a number of hours is needed, not {type(value).__name__}."
    )


def _names(setting: str, value: Any) -> list[str]:
    if isinstance(value, str) or not all(isinstance(name, str) for name in value or ()):
        raise ConfigurationError(f"{setting}: a list of bucket names is needed, not {value!r}.")
    return list(value or ())


def _is_host(value: Any) -> bool:
    return isinstance(value, str) and not any(mark in value for mark in "/?#@ \t\r\n")


def _is_positive(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0


def _hint(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f" Did you mean {close[0]}?" if close else ""
