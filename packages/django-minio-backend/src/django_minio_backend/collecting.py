"""Filling a bucket in one go: what is there is known from one listing, and what is new is uploaded side by side."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from django.core.files.base import ContentFile

from django_minio_backend.payload import Payload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from django.core.files.base import File
    from minio.datatypes import Object

__all__ = ["Collection", "Known"]

_IN_MEMORY = 1024 * 1024
"""Bytes up to which a content is kept until a thread has uploaded it; larger ones are waited for."""


class Known(NamedTuple):
    """What is known of an object without asking the server."""

    size: int
    etag: str
    modified: datetime


class Collection:
    """The objects of a bucket while it is filled, by one thread.

    `listing` is what it held at first; `upload` stores a content under a name, `delete` removes a name. `threads`
    uploads run side by side, and twice as many wait. `progress` is called with the numbers of uploads done and begun.
    """

    def __init__(
        self,
        listing: Iterable[Object],
        upload: Callable[[str, Payload], None],
        delete: Callable[[str], None],
        threads: int,
        progress: Callable[[int, int], None],
    ) -> None:
        self._upload, self._delete, self._progress = upload, delete, progress
        self._known = {entry.object_name or "": _known(entry) for entry in listing}
        self._deleted: set[str] = set()
        self.sources: dict[str, Callable[[], File[bytes]]] = {}
        self._pool, self._threads = ThreadPoolExecutor(threads), threads
        self._running: dict[Future[None], str] = {}
        self._begun = self._done = 0

    def get(self, key: str) -> Known | None:
        """Return what is known of an object, or None if there is none."""
        return None if key in self._deleted else self._known.get(key)

    def holds(self, key: str, size: int, etag: Callable[[], str]) -> bool:
        """Whether the object has this content; the etag is computed only if the size is right."""
        known = self.get(key)
        return known is not None and known.size == size and known.etag == etag()

    def write(self, key: str, body: Payload, etag: str) -> None:
        """Upload a content unless the object has it already, deleted or not. Raises what earlier uploads raised."""
        self._deleted.discard(key)
        if not self.holds(key, body.size, lambda: etag):
            self.settle(key)
            self._known[key] = Known(body.size, etag, datetime.now(UTC))
            self._start(key, body)

    def delete(self, key: str) -> None:
        """Count an object as deleted. It is removed at the end, unless it is written anew before."""
        if key in self._known:
            self._deleted.add(key)

    def settle(self, key: str) -> None:
        """Wait until an upload of this name, if there is one under way, is complete."""
        self._collect([future for future, its_key in self._running.items() if its_key == key])

    def finish(self) -> None:
        """Wait for all uploads, then remove what was deleted. Raises what an upload or a removal raised."""
        self._make_room(0)
        for key in sorted(self._deleted):
            self._delete(key)

    def close(self) -> None:
        """Start no more uploads, and wait for those that run."""
        self._pool.shutdown(cancel_futures=True)

    def _start(self, key: str, body: Payload) -> None:
        self._begun += 1
        if body.size > _IN_MEMORY:
            self._upload(key, body)
            self._count()
            return
        body.seek(0)
        copy = Payload(ContentFile(body.read()))
        self._running[self._pool.submit(self._upload, key, copy)] = key
        self._make_room(3 * self._threads)

    def _make_room(self, limit: int) -> None:
        while len(self._running) > limit:
            self._collect(wait(self._running, return_when=FIRST_COMPLETED).done)

    def _collect(self, futures: Iterable[Future[None]]) -> None:
        for future in futures:
            del self._running[future]
            future.result()
            self._count()

    def _count(self) -> None:
        self._done += 1
        self._progress(self._done, self._begun)


def _known(entry: Object) -> Known:
    return Known(entry.size or 0, (entry.etag or "").strip('"'), entry.last_modified or datetime.now(UTC))
