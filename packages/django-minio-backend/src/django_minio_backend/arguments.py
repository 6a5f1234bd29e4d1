"""What a storage was built with: for migrations, for comparing, for copying and pickling."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, Self

from minio.credentials.providers import Provider
from urllib3 import PoolManager

from django_minio_backend.credentials import SECRETS, held
from django_minio_backend.errors import ConfigurationError
from pentad_config import Secret

__all__ = ["UPLOAD_OPTIONS", "ConstructorArguments"]

UPLOAD_OPTIONS = (
    "metadata",
    "sse",
    "progress",
    "num_parallel_uploads",
    "tags",
    "retention",
    "legal_hold",
    "write_offset",
)
_KNOWN = frozenset({"bucket_name", "storage_name", "replace_existing", "http_client", *UPLOAD_OPTIONS})
_NOT_FOR_MIGRATIONS = frozenset({"http_client", "MINIO_HTTP_CLIENT", "progress", "sse"})
_CREDENTIALS = frozenset({*SECRETS, "MINIO_CREDENTIALS"})


class ConstructorArguments:
    """Remembers the arguments of the constructor as they were given, credentials held as `Secret`."""

    _args: tuple[Any, ...]
    _kwargs: dict[str, Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Keep the arguments before any subclass's constructor may change them."""
        storage = super().__new__(cls)
        storage._args, storage._kwargs = args, credentials_held(kwargs)
        return storage

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        """Return what a migration writes: no client object, and of a credential at most where it is kept."""
        kwargs = {key: _written(key, value) for key, value in self._kwargs.items()}
        return self._path(), list(self._args), {key: value for key, value in kwargs.items() if value is not _LEFT_OUT}

    def _path(self) -> str:
        """Return where the class is imported from; our own are promised in `django_minio_backend.models`."""
        cls = type(self)
        module = "django_minio_backend.models" if cls.__module__.startswith("django_minio_backend.") else cls.__module__
        return f"{module}.{cls.__qualname__}"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return bool(self._args == other._args and self._kwargs == other._kwargs)

    def __hash__(self) -> int:
        return hash((type(self), len(self._args), tuple(sorted(self._kwargs))))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return type(self)(*self._args, **self._kwargs)

    def __copy__(self) -> Self:
        return type(self)(*self._args, **self._kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (type(self), self._args, self._kwargs)


def credentials_held(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the keywords with each credential as a `Secret`."""
    return {key: held(key, value) if key in SECRETS else value for key, value in kwargs.items()}


def refuse_unknown(kwargs: dict[str, Any]) -> None:
    """Raise ConfigurationError for a keyword nobody reads. Unknown MINIO_ settings are left to the checks."""
    for key in kwargs:
        if key not in _KNOWN and not key.startswith("MINIO_"):
            close = get_close_matches(key, _KNOWN, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ConfigurationError(f"{key!r} is not an argument of the storage.{hint}")


_LEFT_OUT = object()


def _written(key: str, value: Any) -> Any:
    """Return how a migration shows an argument: of a credential where it is kept, else a variable for it.

    A credential is never left out: the storage of a migration that has none could not be built.
    """
    if value is not None and key in _CREDENTIALS:
        kept = Secret.at(value) if isinstance(value, str) else value
        return getattr(kept, "ref", None) or f"env:{key}"
    if key in _NOT_FOR_MIGRATIONS or isinstance(value, (PoolManager, Provider)):
        return _LEFT_OUT
    return value


def _rebuilt(cls: type[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return cls(*args, **kwargs)
