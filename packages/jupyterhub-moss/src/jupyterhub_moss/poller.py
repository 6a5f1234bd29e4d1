"""One question to Slurm about the jobs of all servers, however many servers ask.

Slurm is asked when somebody wants to know, not by a clock: whoever asks names the greatest age that an answer may have,
and all who ask while a question is under way share its answer. While Slurm is silent the questions become rare, and
the answer is that nobody knows: silence never means that a job has ended.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

from jupyterhub_moss.jobs import JobFacts

# spawners of a hub poll within a few milliseconds of each other; waiting for them makes their questions one
_GATHER = 0.02
# how many of those who waited go on at once: the hub serves others in between
_BATCH = 50
# how long a job that nobody asks for any more stays in the question
_FORGET = 600.0
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
# one question without an answer is no outage, but one that has had none for so many seconds is
_OUTAGE_FAILURES, _OUTAGE_SECONDS = 2, 10.0

Ask = Callable[[Sequence[str]], Awaitable[Mapping[str, JobFacts]]]
"""Asks Slurm for the jobs with these ids and returns those that it knows; raises when there is no answer."""


class Sighting(NamedTuple):
    """What is known about one job."""

    job: JobFacts | None
    """None when Slurm answered and did not mention it, or did not answer: see `error`."""
    error: Exception | None
    """Why nothing is known at the moment; None when Slurm answered."""


class _Snapshot(NamedTuple):
    began: float
    numbers: frozenset[str]
    jobs: Mapping[str, JobFacts]


class JobPoller:
    """The jobs of all servers of a hub, as Slurm last told."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wanted: dict[str, float] = {}
        self._snapshot = _Snapshot(-math.inf, frozenset(), {})
        self._attempt: asyncio.Future[None] | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._pause = 0.0
        self._paused_until = -math.inf
        self._error: Exception | None = None
        self._failures = 0
        self.outage = False
        """Whether Slurm is silent: for two questions in a row, or for ten seconds since one was asked."""

    async def look_up(
        self, number: str, ask: Ask, *, max_age: float, on_outage: Callable[[], None] = lambda: None
    ) -> Sighting:
        """What Slurm said about a job at most `max_age` seconds ago; it is asked if that is not known.

        `on_outage` is called when a question that this call began has had no answer for so long that `outage` is true.
        """
        oldest = self._clock() - max_age
        self.expect(number)
        while self._snapshot.began < oldest or number not in self._snapshot.numbers:
            if self._clock() < self._paused_until:
                return Sighting(None, self._error)
            # once more each time: the job may have been left out meanwhile by another stop of the same server
            self.expect(number)
            await self._renew(ask, on_outage)
        return Sighting(self._snapshot.jobs.get(number), None)

    def expect(self, number: str) -> None:
        """Put a job into the next question: somebody is going to ask for it."""
        self._wanted[number] = self._clock()

    def forget(self, number: str) -> None:
        """Leave out a job from further questions."""
        self._wanted.pop(number, None)

    async def _renew(self, ask: Ask, on_outage: Callable[[], None]) -> None:
        # a future of one's own: a start that is given up cancels nothing that others wait for
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        if self._attempt is None:
            self._attempt = asyncio.ensure_future(self._answer_all(ask, on_outage))
        await waiter

    async def _answer_all(self, ask: Ask, on_outage: Callable[[], None]) -> None:
        overdue = asyncio.get_running_loop().call_later(_OUTAGE_SECONDS, self._overdue, on_outage)
        try:
            await self._question(ask)
        finally:
            overdue.cancel()
            self._attempt, waiting, self._waiting = None, self._waiting, []
            for position, waiter in enumerate(waiting):
                if position % _BATCH == _BATCH - 1:
                    await asyncio.sleep(0)
                if not waiter.done():
                    waiter.set_result(None)

    async def _question(self, ask: Ask) -> None:
        await asyncio.sleep(_GATHER)
        began = self._clock()
        self._wanted = {number: asked for number, asked in self._wanted.items() if began - asked < _FORGET}
        numbers = frozenset(self._wanted)
        try:
            jobs = await ask(sorted(numbers)) if numbers else {}
        except Exception as failure:  # noqa: BLE001  # whatever ask() raises becomes Sighting.error
            self._no_answer(failure)
        else:
            self._snapshot = _Snapshot(began, numbers, jobs)
            self._pause, self._paused_until, self._error = 0.0, -math.inf, None
            self._failures, self.outage = 0, False

    def _no_answer(self, error: Exception) -> None:
        self._error = error
        self._failures += 1
        self.outage = self.outage or self._failures >= _OUTAGE_FAILURES
        self._pause = min(max(2 * self._pause, _FIRST_PAUSE), _LONGEST_PAUSE)
        self._paused_until = self._clock() + self._pause

    def _overdue(self, on_outage: Callable[[], None]) -> None:
        self.outage = True
        on_outage()
