"""An answer that is dear to get, shared by all who ask for it at about the same time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class SharedAnswer(Generic[Answer]):
    """What `ask` returns, asked again once it is `fresh` seconds old; a failure is shared like an answer."""

    def __init__(self, ask: Callable[[], Awaitable[Answer]], fresh: float) -> None:
        self._ask = ask
        self._fresh = fresh
        self._asked: asyncio.Task[Answer] | None = None
        self._answered = 0.0

    async def read(self) -> Answer:
        """The answer; raises what `ask` raised."""
        if self._asked is None or (self._asked.done() and time.monotonic() - self._answered > self._fresh):
            self._asked = asyncio.create_task(self._ask_now())
        return await asyncio.shield(self._asked)  # a reader who goes away takes the answer from nobody else

    async def _ask_now(self) -> Answer:
        try:
            return await self._ask()
        finally:
            self._answered = time.monotonic()
