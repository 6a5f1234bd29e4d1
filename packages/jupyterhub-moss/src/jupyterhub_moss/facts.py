"""What Slurm said about its partitions, kept so that a page view need not ask again and survives a silent Slurm."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, NamedTuple, TypeVar

from jupyterhub_moss.models import PartitionResources

T = TypeVar("T")
Resources = Mapping[str, PartitionResources]


class Facts(NamedTuple):
    """Resources by partition, how old they are, and what went wrong if they could not be renewed."""

    resources: Resources
    age: float
    """Seconds since Slurm answered; meaningless while `known` is false."""
    error: str
    known: bool


class _Entry(Generic[T]):
    """One question to Slurm: the last answer, and the attempt under way if there is one."""

    def __init__(self) -> None:
        self.answer: T | None = None
        self.answered_at = 0.0
        self.attempt: asyncio.Future[T] | None = None


class Answer(NamedTuple, Generic[T]):
    """What was answered last, how many seconds ago, and what went wrong if it could not be renewed."""

    value: T | None
    age: float
    error: str


class AnswerCache(Generic[T]):
    """Remembers answers; many who ask at the same time share one attempt."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: dict[tuple[object, ...], _Entry[T]] = {}

    async def get(self, key: tuple[object, ...], ask: Callable[[], Awaitable[T]], *, max_age: float) -> Answer[T]:
        """The answer under `key`: at most `max_age` seconds old, or the last one with the error of the attempt.

        `ask` may raise anything; its message is returned in `Answer.error` and the exception is not.
        """
        entry = self._entries.setdefault(key, _Entry())
        error = ""
        if entry.answer is None or self._clock() - entry.answered_at >= max_age:
            try:
                await self._renew(entry, ask)
            except Exception as failure:  # noqa: BLE001  # whatever ask() raises becomes Answer.error
                error = str(failure) or type(failure).__name__
        return Answer(entry.answer, self._clock() - entry.answered_at, error)

    async def _renew(self, entry: _Entry[T], ask: Callable[[], Awaitable[T]]) -> None:
        if entry.attempt is None:
            entry.attempt = asyncio.ensure_future(ask())
            entry.attempt.add_done_callback(lambda done: self._finish(entry, done))
        # shielded: a visitor who goes away must not cancel the attempt that others wait for
        await asyncio.shield(entry.attempt)

    def _finish(self, entry: _Entry[T], attempt: asyncio.Future[T]) -> None:
        entry.attempt = None
        if not attempt.cancelled() and attempt.exception() is None:
            entry.answer, entry.answered_at = attempt.result(), self._clock()


class FactsCache:
    """Remembers what Slurm said about its partitions."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._answers: AnswerCache[Resources] = AnswerCache(clock)

    async def get(self, key: tuple[object, ...], ask: Callable[[], Awaitable[Resources]], *, max_age: float) -> Facts:
        """The facts under `key`; see `AnswerCache.get`."""
        resources, age, error = await self._answers.get(key, ask, max_age=max_age)
        return Facts(resources or {}, age, error, known=resources is not None)


#: Shared by every spawner of the hub.
shared_facts = FactsCache()
