"""Sessions in the memory of this process: for tests and for programs of one process."""

from __future__ import annotations

import dataclasses
import heapq
import time

from starsessions.stores.base import SessionStore, StoreTraits, checked_count, checked_gc_ttl, digest_of
from starsessions.stores.user_index import MemoryUserIndex

__all__ = ["InMemoryStore", "Record"]

_NANOSECONDS = 1_000_000_000
_REMEMBERED = 10_000  # renamed sessions that a logout with the id from before still finds
_SWEPT_PER_WRITE = 4  # more than one, so that expired records leave faster than new ones arrive


@dataclasses.dataclass(slots=True)
class Record:
    """A stored session; `expires` is in nanoseconds since the epoch."""

    expires: int
    value: bytes


class InMemoryStore(SessionStore):
    """Keep sessions in a dictionary. They are lost when the process ends, and other processes do not see them.

    `gc_ttl` is how many seconds a session without a fixed end (`lifetime=0`) is kept after its last use. When there
    are `max_sessions`, a new one takes the place of the one that would end first, so that no flood of visitors fills
    the memory; None sets no limit. `data` holds the records by id; plain bytes that a test puts there never expire.
    """

    traits = StoreTraits(keeps_ids=True, expires=True, renews=True, compares=True, follows=True, in_process=True)

    def __init__(self, gc_ttl: int = 86400, *, max_sessions: int | None = 1_000_000) -> None:
        self.gc_ttl = checked_gc_ttl(gc_ttl)
        if max_sessions is not None:
            checked_count("max_sessions", max_sessions, "a whole number, or None for no limit,")
        self.max_sessions = max_sessions
        self.data: dict[str, Record | bytes] = {}
        self.users: MemoryUserIndex = MemoryUserIndex(lambda key: self._live(key) is not None, self._delete)
        self._due: list[tuple[int, str]] = []
        self._renamed: dict[str, str] = {}

    async def read(self, session_id: str, lifetime: int) -> bytes:  # noqa: ARG002  the interface
        """Return the record of `session_id`, or empty bytes if there is none or it has expired."""
        return self._value(session_id)

    async def renew(self, session_id: str, lifetime: int) -> bytes:
        """Return the record of `session_id` and let it live for another `lifetime` seconds."""
        record = self._live(session_id)
        if isinstance(record, Record):
            record.expires = self._end(lifetime, lifetime)
        return self._value(session_id)

    async def write(self, session_id: str, data: bytes, lifetime: int, ttl: int) -> str:
        """Store `data` for `ttl` seconds, or for `gc_ttl` if that is 0."""
        known = session_id in self.data
        record = self.data[session_id] = Record(self._end(lifetime, ttl), data)
        if self._due and self._due[0][0] <= time.time() * _NANOSECONDS:
            self._sweep()
        if not known:
            self._make_room()
            heapq.heappush(self._due, (record.expires, session_id))
        return session_id

    async def swap(
        self, session_id: str, data: bytes | None, lifetime: int, ttl: int, *, old_id: str, digest: str
    ) -> bytes | None:
        """Store `data` if the record of `old_id` is still the one with this digest; else return what is there."""
        present = self._value(old_id)
        if (digest_of(present) if present else "") != digest:
            return present
        if data is None or old_id != session_id:
            self._delete(old_id)
        if data is not None:
            await self.write(session_id, data, lifetime, ttl)
            if old_id != session_id:
                self._note_renamed(old_id, session_id)
        return None

    async def remove(self, session_id: str) -> None:
        """Delete the record of `session_id`, or of the id that the session was given meanwhile."""
        renamed: str | None = session_id
        while renamed is not None and self._live(renamed) is None:
            renamed = self._renamed.pop(renamed, None)
        self._delete(session_id if renamed is None else renamed)

    async def exists(self, session_id: str) -> bool:
        """Tell whether `session_id` has a record that has not expired."""
        return self._live(session_id) is not None

    def _end(self, lifetime: int, ttl: int) -> int:
        seconds = ttl if ttl > 0 else self.gc_ttl
        return int((time.time() + (seconds if lifetime else min(seconds, self.gc_ttl))) * _NANOSECONDS)

    def _value(self, session_id: str) -> bytes:
        record = self.data.get(session_id)
        if not isinstance(record, Record):
            return record or b""
        if record.expires > time.time() * _NANOSECONDS:
            return record.value
        self._forget(session_id)
        return b""

    def _live(self, session_id: str) -> Record | bytes | None:
        record = self.data.get(session_id)
        if isinstance(record, Record) and record.expires <= time.time() * _NANOSECONDS:
            self._forget(session_id)
            return None
        return record

    def _forget(self, session_id: str) -> None:
        self.data.pop(session_id, None)
        self.users.forget(session_id)

    def _delete(self, session_id: str) -> None:
        self._forget(session_id)
        if len(self._due) > 2 * len(self.data) + 64:
            self._due = [(r.expires, key) for key, r in self.data.items() if isinstance(r, Record)]
            heapq.heapify(self._due)

    def _note_renamed(self, old_id: str, session_id: str) -> None:
        self._renamed.pop(old_id, None)
        self._renamed[old_id] = session_id
        if len(self._renamed) > _REMEMBERED:
            del self._renamed[next(iter(self._renamed))]

    def _make_room(self) -> None:
        while self.max_sessions is not None and len(self.data) > self.max_sessions and self._due:
            known_end, session_id = heapq.heappop(self._due)
            record = self._live(session_id)
            if isinstance(record, Record) and record.expires > known_end:
                heapq.heappush(self._due, (record.expires, session_id))
            else:
                self._forget(session_id)

    def _sweep(self) -> None:
        # The heap has one entry for each id, with the end that was known when the entry was made. A record
        # that lives longer by now is put back, so a write costs O(log n) however many sessions there are.
        now = time.time() * _NANOSECONDS
        for _ in range(_SWEPT_PER_WRITE):
            if not self._due or self._due[0][0] > now:
                return
            _, session_id = heapq.heappop(self._due)
            record = self._live(session_id)
            if isinstance(record, Record):
                heapq.heappush(self._due, (record.expires, session_id))
