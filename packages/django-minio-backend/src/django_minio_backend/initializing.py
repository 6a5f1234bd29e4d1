"""Bringing the buckets on the servers in line with the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django_minio_backend.buckets import Buckets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from django_minio_backend.storage import MinioBackend

__all__ = ["initialize"]


def initialize(storages: Iterable[MinioBackend], report: Callable[[str], Any] = lambda _: None) -> None:
    """Create the buckets of all storages, set or remove their policies, then run each policy hook once.

    Every step is told to `report`. Raises what the server or the connection raises.
    """
    storages = list(storages)
    for storage, bucket in _each_bucket(storages):
        _, changed = storage.initialize_bucket(bucket)
        report(f"Bucket ({bucket}) OK")
        if changed:
            kind = "public" if bucket in storage.PUBLIC_BUCKETS else "private"
            report(f"Bucket ({bucket}) policy has been set to {kind}")
    for storage, bucket, policy in _each_hook(storages):
        Buckets(storage.connection).set_policy(bucket, policy)
        report(f"Bucket ({bucket}) policy has been set by policy hook")


def _each_bucket(storages: Iterable[MinioBackend]) -> Iterable[tuple[MinioBackend, str]]:
    """Yield each declared bucket of each server once; a public declaration is heeded before a missing one."""
    seen = set()
    for storage in storages:
        for bucket in storage.declared_buckets():
            if (storage.base_url, bucket) not in seen:
                seen.add((storage.base_url, bucket))
                yield storage, bucket


def _each_hook(storages: Iterable[MinioBackend]) -> Iterable[tuple[MinioBackend, str, dict[str, Any]]]:
    seen = []
    for storage in storages:
        for bucket, policy in storage.policy_hooks():
            if (storage.base_url, bucket, policy) not in seen:
                seen.append((storage.base_url, bucket, policy))
                yield storage, bucket, policy
