"""A quorum in one of Django's caches."""

import logging
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic

from django.core.cache import BaseCache, caches
from django.core.exceptions import ImproperlyConfigured

from syzygy.quorum.exceptions import LockExpiredError, QuorumError
from syzygy.quorum.rounds import Round
from syzygy.spelling import suggestion

from .rounds import RoundQuorum, Slot

__all__ = ("CacheQuorum",)

_log = logging.getLogger(__name__)

# What is stored as a sign of life.
_LEFT, _ALIVE = 0, 1


class CacheQuorum(RoundQuorum):
    """Keeps the quorum in a cache that all processes share and whose `add` is atomic, such as Redis or memcached.

    `alias` names the cache. `timeout` (seconds) is how long an abandoned quorum is remembered, `version` the cache
    version, and `member_timeout` (seconds) how long a process that stopped without a word still counts. A thread
    renews the signs of life of this process three times in that span. A leader counts for half of it longer, as its
    sign may have been lost rather than not given.
    """

    def __init__(
        self,
        alias: str = "default",
        timeout: float = 3600,
        version: int | None = None,
        member_timeout: float = 15,
    ) -> None:
        super().__init__()
        if alias not in caches:
            raise ImproperlyConfigured(f"There is no cache {alias!r} in CACHES. {suggestion(alias, caches)}".rstrip())
        if member_timeout < 1:
            raise ImproperlyConfigured("member_timeout must be at least one second.")
        self.alias = alias
        self.timeout = timeout
        self.version = version
        self.member_timeout = member_timeout
        self._living: set[str] = set()
        # Since when the sign of life of another process is missing, by token.
        self._missing: dict[str, float] = {}
        self._stop: threading.Event | None = None

    @property
    def cache(self) -> BaseCache:
        """The cache of the calling thread: not every client may be shared."""
        return caches[self.alias]

    @staticmethod
    def _key(namespace: str) -> str:
        return f"syzygy-quorum:{namespace}"

    @contextmanager
    def _exclusive(self, namespace: str) -> Iterator[Slot]:
        key = self._key(namespace)
        with self._mutex(f"{key}:lock") as still_mine:
            stored = self.cache.get(key, version=self.version)
            slot = Slot(Round.from_dict(stored) if stored else None)
            leader = slot.round.leader if slot.round is not None else None
            yield slot
            if not still_mine() or not self._lead_once(key, slot.round, leader):
                raise LockExpiredError(
                    f"The cache {self.alias!r} took too long; nothing was changed. Run migrate again."
                )
            self._store(key, slot.round)

    def _store(self, key: str, current: Round | None) -> None:
        if current is None:
            self.cache.delete(key, version=self.version)
        else:
            self.cache.set(key, current.as_dict(), timeout=self.timeout, version=self.version)

    def _lead_once(self, key: str, current: Round | None, previous_leader: str | None) -> bool:
        """Even if a mutex expired under somebody, a round has one leader: the one whose `add` succeeds."""
        if current is None or current.leader in {None, previous_leader}:
            return True
        leader_key = f"{key}:{current.identity}:leader"
        return self.cache.add(leader_key, current.leader, timeout=self.timeout, version=self.version)

    @contextmanager
    def _mutex(self, key: str) -> "Iterator[_Holds]":
        token = uuid.uuid4().hex
        deadline = monotonic() + 2 * self.member_timeout
        while not self.cache.add(key, token, timeout=self.member_timeout, version=self.version):
            if monotonic() > deadline:
                raise QuorumError(f"The cache {self.alias!r} does not grant the lock of the quorum.")
            threading.Event().wait(0.02)
        holds = _Holds(self, key, token)
        try:
            yield holds
        finally:
            if holds():
                self.cache.delete(key, version=self.version)

    # Signs of life

    def _appear(self) -> str:
        token, given = uuid.uuid4().hex, monotonic()
        self._beat(token)
        while not self._alive(token):
            if monotonic() - given < self.member_timeout:
                raise QuorumError(
                    f"The cache {self.alias!r} does not keep what is stored in it; a quorum needs one that does."
                )
            # This process stood still in between, for so long that the sign is rightly gone.
            given = monotonic()
            self._beat(token)
        self._living.add(token)
        if self._stop is None:
            self._stop = threading.Event()
            threading.Thread(target=self._keep_beating, args=(self._stop,), daemon=True).start()
        return token

    def _disappear(self, token: str) -> None:
        self._living.discard(token)
        if not self._living and self._stop is not None:
            self._stop.set()
            self._stop = None
        self._sign(token, _LEFT)

    def _alive(self, token: str) -> bool:
        return self._last_sign(token) == _ALIVE

    def _is_gone(self, token: str) -> bool:
        """A cache may lose what it was given, in a failover or to make room: the next beat brings it back."""
        sign = self._last_sign(token)
        if sign is not None:
            self._missing.pop(token, None)
            return sign != _ALIVE
        return monotonic() - self._missing.setdefault(token, monotonic()) > self.member_timeout / 2

    def _last_sign(self, token: str) -> int | None:
        sign: int | None = self.cache.get(self._key(f"alive:{token}"), version=self.version)
        return sign

    def _beat(self, token: str) -> None:
        self._sign(token, _ALIVE)

    def _sign(self, token: str, value: int) -> None:
        self.cache.set(self._key(f"alive:{token}"), value, timeout=self.member_timeout, version=self.version)

    def _keep_beating(self, stop: threading.Event) -> None:
        while not stop.wait(self.member_timeout / 3):
            for token in tuple(self._living):
                try:
                    self._beat(token)
                except Exception:  # noqa: BLE001 - each client has its own
                    # The next beat may reach the cache again in time; if not, the others go on without us.
                    _log.warning("The quorum's cache %r cannot be reached.", self.alias, exc_info=True)
        with suppress(Exception):  # A client without a connection to close is as good.
            self.cache.close()


class _Holds:
    """Tells whether a mutex is still ours rather than expired and taken by somebody else."""

    def __init__(self, quorum: CacheQuorum, key: str, token: str) -> None:
        self._quorum, self._key, self._token = quorum, key, token

    def __call__(self) -> bool:
        held: bool = self._quorum.cache.get(self._key, version=self._quorum.version) == self._token
        return held
