"""The storages of this package that the project's settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.module_loading import import_string

from django_minio_backend.errors import ConfigurationError, PrivatePublicMixedError
from django_minio_backend.models import MinioBackend, MinioBackendStatic
from django_minio_backend.options import Options

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["check_configured", "configured_options", "configured_storages", "storage_class"]

_OWN = (MinioBackend, MinioBackendStatic)


def configured_storages(*, subclasses: bool = True) -> list[MinioBackend]:
    """Return a storage for each entry of STORAGES that uses this package.

    Without `subclasses` only our own two classes count: building somebody's subclass may send requests, as
    Django's manifest storages do. With global settings and no entry it is the one storage that those settings
    describe. Raises ConfigurationError if an entry cannot be used.
    """
    found = [cls(**_arguments(alias)) for alias, cls in _entries(subclasses=subclasses)]
    return found or ([MinioBackend()] if _globally_configured() else [])


def configured_options(*, subclasses: bool = True) -> list[Options]:
    """Return the settings of each such storage, unchecked. No storage is built."""
    found = [_options(_arguments(alias)) for alias, _ in _entries(subclasses=subclasses)]
    return found or ([Options({})] if _globally_configured() else [])


def check_configured() -> None:
    """Raise one ConfigurationError that names all that is wrong in all entries of our own two classes.

    It is a PrivatePublicMixedError if any bucket is declared both private and public.
    """
    everything = configured_options(subclasses=False)
    mixed = [problem for options in everything for problem in options.mixed()]
    found = mixed + [problem for options in everything for problem in options.problems(complete=True)]
    if found:
        kind = PrivatePublicMixedError if mixed else ConfigurationError
        raise kind.of([*found, *(problem for options in everything for problem in options.unknown())])


def _globally_configured() -> bool:
    """Tell whether the project configures the server by global MINIO_ settings, as for the 3.x releases."""
    return bool(getattr(settings, "MINIO_ENDPOINT", None))


def _entries(*, subclasses: bool) -> Iterator[tuple[str, type[MinioBackend]]]:
    for alias, entry in getattr(settings, "STORAGES", {}).items():
        cls = storage_class(entry)
        if cls is not None and (subclasses or cls in _OWN):
            yield alias, cls


def storage_class(entry: Any) -> type[MinioBackend] | None:
    """Return the entry's class if it is ours; another package's class that cannot be imported is not our matter."""
    path = entry.get("BACKEND", "")
    try:
        cls = import_string(path)
    except ImportError:
        if path.startswith("django_minio_backend."):
            raise
        return None
    return cls if isinstance(cls, type) and issubclass(cls, MinioBackend) else None


def _arguments(alias: str) -> dict[str, Any]:
    """Return what an entry's storage is built with. Without OPTIONS there are only the global settings."""
    return {"storage_name": alias, **(settings.STORAGES[alias].get("OPTIONS") or {})}


def _options(arguments: dict[str, Any]) -> Options:
    alias = arguments["storage_name"]
    return Options({key: value for key, value in arguments.items() if key.startswith("MINIO_")}, alias)
