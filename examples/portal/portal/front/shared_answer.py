"""An answer that is dear to get, shared by all who ask for it at about the same time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

Answer = TypeVar("Answer")
_FAILURE_LASTS: Final = 1.0  # seconds


class SharedAnswer(Generic[Answer]):
    """What `ask` returns; asked again once it is older than `lasts` says of it, in seconds.

    A failure is shared like an answer, for a second.
    """

    def __init__(self, ask: Callable[[], Awaitable[Answer]], lasts: Callable[[Answer], float]) -> None:
        self._ask = ask
        self._lasts = lasts
        self._asked: asyncio.Task[Answer] | None = None
        self._old_at = 0.0

    async def read(self) -> Answer:
        """The answer; raises what `ask` raised."""
        if self._asked is None or (self._asked.done() and time.monotonic() > self._old_at):
            self._asked = asyncio.create_task(self._ask_now())
        return await asyncio.shield(self._asked)  # a reader who goes away takes the answer from nobody else

    async def _ask_now(self) -> Answer:
        seconds = _FAILURE_LASTS
        try:
            answer = await self._ask()
            seconds = self._lasts(answer)
            return answer
        finally:
            self._old_at = time.monotonic() + seconds
