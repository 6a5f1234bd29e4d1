"""The storages of this package that the project's settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.module_loading import import_string

from django_minio_backend.errors import ConfigurationError
from django_minio_backend.models import MinioBackend, MinioBackendStatic

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["configured_storages", "legacy_settings"]


def legacy_settings() -> bool:
    """Tell whether the project configures the server by global MINIO_ settings, as for the 3.x releases."""
    return bool(getattr(settings, "MINIO_ENDPOINT", None))


def configured_storages(*, subclasses: bool = True) -> list[MinioBackend]:
    """Return a storage for each entry of STORAGES that uses this package.

    Without `subclasses` only our own two classes count: building somebody's subclass may send requests, as
    Django's manifest storages do. With global settings and no entry it is the one storage that those settings
    describe. Raises ConfigurationError if an entry cannot be used.
    """
    found = [_built(alias, cls) for alias, cls in _entries() if subclasses or cls in {MinioBackend, MinioBackendStatic}]
    return found or ([MinioBackend()] if legacy_settings() else [])


def _entries() -> Iterator[tuple[str, type[MinioBackend]]]:
    for alias, entry in getattr(settings, "STORAGES", {}).items():
        cls = _class_of(entry)
        if cls is not None:
            yield alias, cls


def _class_of(entry: Any) -> type[MinioBackend] | None:
    """Return the entry's class if it is ours; another package's class that cannot be imported is not our matter."""
    path = entry.get("BACKEND", "")
    try:
        cls = import_string(path)
    except ImportError:
        if path.startswith("django_minio_backend."):
            raise
        return None
    return cls if isinstance(cls, type) and issubclass(cls, MinioBackend) else None


def _built(alias: str, cls: type[MinioBackend]) -> MinioBackend:
    options = dict(settings.STORAGES[alias].get("OPTIONS") or {})
    if not options and not legacy_settings():
        raise ConfigurationError(
            f"STORAGES[{alias!r}] has no OPTIONS. Write MINIO_ENDPOINT, MINIO_ACCESS_KEY, MINIO_SECRET_KEY and "
            "the buckets there."
        )
    options.setdefault("storage_name", alias)
    return cls(**options)
