"""The settings of one storage, from wherever they were written, as typed values.

Each is looked up in this order: keyword of the constructor, `STORAGES[alias]["OPTIONS"]`, the global Django
setting of the same name, the default.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings

from django_minio_backend import epoch
from django_minio_backend.authorities import authorities_problem
from django_minio_backend.credentials import SECRETS, held
from django_minio_backend.credentials_document import DocumentProvider
from django_minio_backend.errors import ConfigurationError, PrivatePublicMixedError
from django_minio_backend.minio_settings import MinioSettings, as_flag, provider_in
from pentad_config import ConfigError, Problem, SecretMisuse

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

__all__ = ["OURS", "Options", "get_setting", "get_storages_setting"]

OURS: Final = "django_minio_backend."
_PREFIX: Final = "MINIO_"
_FIELDS: Final = {one.env: one for one in MinioSettings.describe()}
_KNOWN: Final = frozenset(name for one in _FIELDS.values() for name in (one.env, *one.aliases))
_ABSENT: Final = object()
_EXTERNAL: Final = ("MINIO_EXTERNAL_ENDPOINT", "MINIO_EXTERNAL_ENDPOINT_USE_HTTPS")


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
    _memo: dict[str, tuple[object, dict[str, Any]]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def get(self, name: str) -> Any:
        """Return the setting's value: a credential as `Secret`, which is not read before it is used.

        Raises ConfigurationError that names everything wrong, if any setting cannot be understood.
        """
        now = epoch.current()
        kept = self._memo.get("kept")
        if kept is None or kept[0] is not now:
            kept = self._memo["kept"] = now, self._values()
        return kept[1][name]

    def _is_understood(self) -> bool:
        """Tell whether the values were parsed before and nothing changed since."""
        kept = self._memo.get("kept")
        return kept is not None and kept[0] is epoch.current()

    def _values(self) -> dict[str, Any]:
        try:
            loaded = self._load(credentials=False)
            secrets = {name: held(name, self._written(name)) for name in SECRETS}
        except (ConfigError, SecretMisuse):
            self.check()
            raise
        return {name: getattr(loaded, one.name) for name, one in _FIELDS.items()} | secrets

    def _load(self, *, credentials: bool) -> MinioSettings:
        """Parse the settings; with `credentials` these are read as well, to see whether that works."""
        wanted = _KNOWN if credentials else _KNOWN.difference(SECRETS)
        everywhere = {name: value for name in wanted if (value := getattr(settings, name, _ABSENT)) is not _ABSENT}
        own = [{name: source[name] for name in wanted if name in source} for source in (self.given, self._entry)]
        return MinioSettings.load(*own, everywhere, environ={})

    @property
    def _entry(self) -> Mapping[str, Any]:
        """The OPTIONS of the alias. Options of another backend's entry hold no name of ours: harmless."""
        return _options_of(self.alias)

    def _written(self, name: str) -> Any:
        """Return what was written for a setting, or None."""
        names = (name, *_FIELDS[name].aliases)
        for source in (self.given, self._entry):
            for key in names:
                if key in source:
                    return source[key]
        return next((getattr(settings, key) for key in names if hasattr(settings, key)), None)

    def is_set(self, name: str) -> bool:
        """Tell whether somebody wrote the setting down anywhere."""
        names = (name, *_FIELDS[name].aliases)
        return any(key in self.given or key in self._entry or hasattr(settings, key) for key in names)

    @property
    def legacy(self) -> bool:
        """True for the settings style of the 3.x releases: everything global, nothing in OPTIONS."""
        written = "MINIO_ENDPOINT" in self.given or "MINIO_ENDPOINT" in self._entry
        return not written and bool(getattr(settings, "MINIO_ENDPOINT", None))

    @property
    def private_buckets(self) -> list[str]:
        """The buckets declared private, as a list of its own."""
        return list(self.get("MINIO_PRIVATE_BUCKETS"))

    @property
    def public_buckets(self) -> list[str]:
        """The buckets declared public, as a list of its own."""
        return list(self.get("MINIO_PUBLIC_BUCKETS"))

    @property
    def expiry(self) -> timedelta:
        """How long links to private objects are valid."""
        span: timedelta = self.get("MINIO_URL_EXPIRY_HOURS")
        return span

    @property
    def secure(self) -> bool:
        """Whether the server is reached over TLS."""
        return bool(self.get("MINIO_USE_HTTPS"))

    def check_unmixed(self) -> None:
        """Raise PrivatePublicMixedError if a bucket is declared both private and public."""
        if found := self.mixed():
            raise PrivatePublicMixedError.of(found)

    def mixed(self) -> list[Problem]:
        """Return a problem if a bucket is declared both private and public."""
        private, public = (_names(self._written(f"MINIO_{kind}_BUCKETS")) for kind in ("PRIVATE", "PUBLIC"))
        if not private & public:
            return []
        buckets = ", ".join(sorted(private & public))
        what = f"these buckets are declared private too: {buckets}. Keep each in MINIO_PRIVATE_BUCKETS or here."
        return [Problem(self._place("MINIO_PUBLIC_BUCKETS"), what)]

    def check(self) -> None:
        """Raise ConfigurationError that names every missing or wrong setting at once; credentials are not read."""
        found = self.problems()
        if found:
            raise ConfigurationError.of([*found, *self.unknown()])

    def problems(self, *, complete: bool = False) -> list[Problem]:
        """Return everything that is missing or wrong, each under the place where it is, or should be, written.

        `complete` also reads the credentials and the certificate authorities.
        """
        own_keys = self._written("MINIO_CREDENTIALS") is None
        found = [*self._wrong(credentials=complete and own_keys), *self._incomplete()]
        found += self._credential_problems() if own_keys else []
        found += self._document_problems() if complete else []
        found += self._authorities_problems() if complete else []
        return list(dict.fromkeys(found))

    def _wrong(self, *, credentials: bool) -> list[Problem]:
        if not credentials and self._is_understood():
            return []
        try:
            self._load(credentials=credentials)
        except ConfigError as error:
            return [self._problem(f"{_PREFIX}{one.setting.upper()}", one.message) for one in error.problems]
        return []

    def _incomplete(self) -> list[Problem]:
        found = []
        if not self._written("MINIO_ENDPOINT"):
            found.append(self._problem("MINIO_ENDPOINT", "missing; write the server's host:port."))
        if self.legacy and self._written("MINIO_USE_HTTPS") in (None, ""):
            found.append(self._problem("MINIO_USE_HTTPS", "missing; write True or False."))
        absent = [name for name in _EXTERNAL if self._written(name) in (None, "")]
        if len(absent) == 1:
            what = f"missing; set {_EXTERNAL[0]} and {_EXTERNAL[1]}, both or neither."
            found.append(self._problem(absent[0], what))
        return found

    def _credential_problems(self) -> list[Problem]:
        found = []
        for name in SECRETS:
            try:
                missing = held(name, self._written(name)) is None and name != "MINIO_SESSION_TOKEN"
            except SecretMisuse as error:
                found.append(self._problem(name, str(error)))
            else:
                how = "write the key, 'env:VARIABLE', 'file:/path' or a pentad_config.Secret"
                found += [self._problem(name, f"missing; {how}.")] if missing else []
        return found

    def _document_problems(self) -> list[Problem]:
        """Read the document that MINIO_CREDENTIALS names, if it does."""
        try:
            provider = provider_in(self._written("MINIO_CREDENTIALS"))
        except ConfigError:  # found with the other settings
            return []
        try:
            if isinstance(provider, DocumentProvider):
                provider.retrieve()
        except (ConfigError, SecretMisuse) as error:
            return [self._problem("MINIO_CREDENTIALS", str(error))]
        return []

    def _authorities_problems(self) -> list[Problem]:
        if not self._speaks_tls() or self._written("MINIO_HTTP_CLIENT") is not None:
            return []
        problem = authorities_problem()
        return [problem] if problem else []

    def _speaks_tls(self) -> bool:
        """Tell what `secure` will be; for a setting that cannot be understood it is not."""
        try:
            return as_flag(self._written("MINIO_USE_HTTPS"))
        except ConfigError:
            return False

    def unknown(self) -> list[Problem]:
        """Return a problem for each MINIO_ setting that nobody reads; of the global ones, those that look misspelt."""
        own = [name for name in {**self.given, **self._entry} if name.startswith(_PREFIX) and name not in _KNOWN]
        others = [name for name in dir(settings) if name.startswith(_PREFIX) and name not in _KNOWN and _closest(name)]
        hints = {name: _closest(name) for name in (*own, *others)}
        return [
            Problem(self._place(name), f"unknown setting.{f' Did you mean {close}?' if close else ''}")
            for name, close in hints.items()
        ]

    def _problem(self, name: str, message: str) -> Problem:
        return Problem(self._place(name), message.removeprefix(f"setting {name} ").removeprefix(f"{name}: "))

    def _place(self, name: str) -> str:
        """Return where a setting is written, as the reader of the settings would find it."""
        names = (name, *(_FIELDS[name].aliases if name in _FIELDS else ()))
        for key in names:
            if key in self.given:
                return self._place_of_keyword(key)
        for key in names:
            if key in self._entry:
                return _path(self.alias, key)
        written = next((key for key in names if hasattr(settings, key)), None)
        return written or (name if self.legacy else _path(self.alias, name))

    def _place_of_keyword(self, name: str) -> str:
        """Return the entry of STORAGES that Django took the keyword from, if there is one with that very value."""
        for alias in (self.alias, *settings.STORAGES):
            value, given = _options_of(alias).get(name), self.given[name]
            if value is given or (isinstance(value, str) and name in SECRETS and held(name, value) is given):
                return _path(alias, name)
        return f"keyword {name}"


def _options_of(alias: str) -> Mapping[str, Any]:
    """Return the OPTIONS of an entry. An unknown alias is a KeyError."""
    options: Mapping[str, Any] = settings.STORAGES[alias].get("OPTIONS") or {}
    return options


def _path(alias: str, name: str) -> str:
    return f'STORAGES["{alias}"]["OPTIONS"]["{name}"]'


def _names(declared: Any) -> set[str]:
    """Return the buckets of a declaration; none of one that is wrong, which is reported as such."""
    listed = isinstance(declared, (list, tuple, set, frozenset))
    return {name for name in declared if isinstance(name, str)} if listed else set()


def _closest(name: str) -> str | None:
    return next(iter(get_close_matches(name, sorted(_KNOWN), 1, 0.8)), None)
