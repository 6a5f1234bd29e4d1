"""What Slurm said, kept so that a page view need not ask again and survives a silent Slurm."""

import asyncio
import copy
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from jupyterhub_moss.models import PartitionResources

T = TypeVar("T")
# seconds after a failure in which Slurm is not asked again
_PAUSE = 5.0
Resources = Mapping[str, PartitionResources]


class Facts(NamedTuple):
    """Resources by partition, how old they are, and what went wrong if they could not be renewed."""

    resources: Resources
    age: float
    """Seconds since Slurm answered; meaningless while `known` is false."""
    error: str
    known: bool


class Answer(NamedTuple, Generic[T]):
    """The last answer to a question; `value` is None while there was none."""

    value: T | None
    age: float
    error: str


class _Entry(Generic[T]):
    """One question to Slurm: the last answer, the last failure, and the attempt under way if there is one."""

    def __init__(self) -> None:
        self.answer: T | None = None
        self.answered_at = 0.0
        self.error = ""
        self.failed_at = 0.0
        self.asked_at = 0.0
        self.attempt: asyncio.Future[T] | None = None


class AnswerCache(Generic[T]):
    """Remembers answers; many who ask at the same time share one attempt.

    A visitor waits `patience` seconds for Slurm when there is an older answer to show, and, if the visitor is patient,
    ten times as long when there is none; the attempt goes on, and is called a failure when it takes as long. After a
    failure Slurm has a pause.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, patience: float = 2.0) -> None:
        self._clock = clock
        self.patience = patience
        self._entries: dict[tuple[object, ...], _Entry[T]] = {}

    def forget(self) -> None:
        """Begin as if nothing had been asked."""
        self._entries.clear()

    async def get(
        self, key: tuple[object, ...], ask: Callable[[], Awaitable[T]], *, max_age: float, patient: bool = True
    ) -> Answer[T]:
        """The answer under `key`: at most `max_age` seconds old, or the last one with the error of the attempt.

        `ask` may raise anything; its message is returned in `Answer.error` and the exception is not.
        """
        entry = self._entries.setdefault(key, _Entry())
        error = ""
        if entry.answer is None or self._clock() - entry.answered_at >= max_age:
            if entry.error and self._clock() - entry.failed_at < _PAUSE:
                error = entry.error
            else:
                error = await self._renew(entry, ask, patient=patient)
        return Answer(entry.answer, self._clock() - entry.answered_at, error)

    async def _renew(self, entry: _Entry[T], ask: Callable[[], Awaitable[T]], *, patient: bool) -> str:
        """What went wrong, or nothing."""
        if entry.attempt is None:
            entry.attempt, entry.asked_at = asyncio.ensure_future(ask()), self._clock()
            entry.attempt.add_done_callback(lambda done: self._finish(entry, done))
        attempt = entry.attempt
        # waited for from outside: a visitor who goes away must not cancel the attempt that others wait for
        done, _ = await asyncio.wait([attempt], timeout=self.patience * (10 if patient and entry.answer is None else 1))
        if not done:
            # sinfo itself gives up after ten seconds or twenty: until then it is slow, and the older answer will do
            slow = entry.answer is not None and self._clock() - entry.asked_at < 10 * self.patience
            return "" if slow else "there is no answer yet"
        return "" if attempt.cancelled() or attempt.exception() is None else _message(attempt.exception())

    def _finish(self, entry: _Entry[T], attempt: asyncio.Future[T]) -> None:
        entry.attempt = None
        if attempt.cancelled():
            return
        if (failure := attempt.exception()) is not None:
            entry.error, entry.failed_at = _message(failure), self._clock()
        else:
            entry.answer, entry.answered_at, entry.error = attempt.result(), self._clock(), ""


def _message(failure: BaseException | None) -> str:
    return str(failure) or type(failure).__name__


class FactsCache:
    """Remembers what Slurm said about its partitions."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.answers: AnswerCache[Resources] = AnswerCache(clock)

    def forget(self) -> None:
        """Begin as if nothing had been asked."""
        self.answers.forget()

    async def get(self, key: tuple[object, ...], ask: Callable[[], Awaitable[Resources]], *, max_age: float) -> Facts:
        """The facts under `key`; see `AnswerCache.get`."""
        resources, age, error = await self.answers.get(key, ask, max_age=max_age)
        return Facts(resources or {}, age, error, known=resources is not None)


class Conclusions(Generic[T]):
    """What was made of an answer, kept for everybody to whom the same applies until there is another answer."""

    _MOST = 32

    def __init__(self) -> None:
        self._answer: object = None
        self._drawn: list[tuple[object, T]] = []

    def get(self, answer: object, applies: object, conclude: Callable[[], T]) -> T:
        """What `conclude` returns for the answer; it is called once for all `applies` that are equal.

        The conclusion belongs to many and must not be changed.
        """
        if answer is not self._answer:
            self._answer, self._drawn = answer, []
        for known, conclusion in self._drawn:
            if known == applies:
                return conclusion
        conclusion = conclude()
        # a copy: what a hook changes in place is no longer the same
        self._drawn = [*self._drawn[1 - self._MOST :], (copy.deepcopy(applies), conclusion)]
        return conclusion


#: Shared by every spawner of the hub: what partitions have, and who may use them.
shared_facts = FactsCache()
shared_access: AnswerCache[Any] = AnswerCache()
