"""Bringing the buckets on the servers in line with the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django_minio_backend.planning import changes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from django_minio_backend.storage import MinioBackend

__all__ = ["initialize", "plan"]


def initialize(storages: Iterable[MinioBackend], report: Callable[[str], Any] = lambda _: None) -> None:
    """Create the buckets of all storages, give them what is declared for them, then set the policies of hooks.

    Every step is told to `report`; a second run finds nothing to do. Raises what the server or the connection raises.
    """
    for bucket, changes in changes_of(storages):
        for change in changes:
            change.apply()
        if bucket:
            report(f"Bucket ({bucket}) OK")
        for change in changes:
            report(change.done)


def plan(storages: Iterable[MinioBackend], report: Callable[[str], Any]) -> int:
    """Tell `report` what `initialize` would change, and return how many changes that are. Nothing is written."""
    changes = [change for _, group in changes_of(storages) for change in group]
    for change in changes:
        report(str(change))
    return len(changes)
