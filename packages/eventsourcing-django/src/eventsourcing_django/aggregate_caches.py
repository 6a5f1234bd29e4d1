"""Caches of aggregates that never hold what is not committed.

The eventsourcing library keeps aggregates in memory as they were saved (``AGGREGATE_CACHE_MAXSIZE``). One that was
saved in a transaction that is rolled back would be ahead of its events for ever, and the next save would leave a gap
in its versions. `install()` gives applications whose events are in Django's databases these caches.
"""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from functools import partial
from typing import Any

from django.db import connections, transaction
from eventsourcing.application import Cache, LRUCache, Repository

from eventsourcing_django.library import Application
from eventsourcing_django.own_connections import is_free
from eventsourcing_django.recorders import DjangoApplicationRecorder

__all__ = ["install"]

_library_construct_repository = Application.construct_repository


class _CommittedOnly:
    """In a transaction nothing is taken out of the cache, and what is put in goes there on commit.

    Args:
        alias: the database of the events.
    """

    def __init__(self, alias: str, *arguments: Any) -> None:
        self._alias = alias
        super().__init__(*arguments)

    def get(self, key: Any, *, evict: bool = False) -> Any:
        if not is_free(connections[self._alias]):
            raise KeyError(key)
        return super().get(key, evict=evict)  # type: ignore[misc]

    def put(self, key: Any, value: Any) -> None:
        connection = connections[self._alias]
        if is_free(connection):
            super().put(key, value)  # type: ignore[misc]
        elif connection.in_atomic_block and value is not None:
            # A copy: the caller may change the aggregate once more, and roll only that back.
            transaction.on_commit(partial(self._put_committed, key, deepcopy(value)), using=self._alias)

    def _put_committed(self, key: Any, value: Any) -> None:
        with suppress(KeyError):
            if super().get(key).version > value.version:  # type: ignore[misc]
                return
        super().put(key, value)  # type: ignore[misc]


class _CommittedCache(_CommittedOnly, Cache[Any, Any]):
    """Holds any number of aggregates."""


class _CommittedLRUCache(_CommittedOnly, LRUCache[Any, Any]):
    """Holds those used last."""


def install() -> None:
    """Have applications make their repositories with these caches."""
    Application.construct_repository = _construct_repository  # type: ignore[method-assign,assignment]


def _construct_repository(application: Application[Any]) -> Repository[Any]:
    repository = _library_construct_repository(application)
    if isinstance(application.recorder, DjangoApplicationRecorder):
        alias = application.recorder.using
        if isinstance(repository.cache, LRUCache):
            repository.cache = _CommittedLRUCache(alias, repository.cache.maxsize)
        elif repository.cache is not None:
            repository.cache = _CommittedCache(alias)
    return repository
