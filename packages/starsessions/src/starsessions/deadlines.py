"""Time limits for calls that all may take equally long, with one timer for all of them."""

from __future__ import annotations

import asyncio
import typing

__all__ = ["Deadline", "Watch"]

_CANCEL_AGAIN_SECONDS = 0.05
# An event loop that comes to a timer so late was held up: by a view that computes, or by a machine that ran others.
_HELD_UP_SECONDS = 0.1


class Watch:
    """Watches the calls in one event loop, each for `seconds`.

    A timer for each call would cost more than everything else that is done around the call.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self.loop = loop
        self._seconds = seconds
        self._due: dict[Deadline, float] = {}  # the loop's time, in the order in which it comes
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> Deadline:
        """Begin to watch what the current task waits for."""
        deadline = Deadline(self._due, typing.cast("asyncio.Task[typing.Any]", asyncio.current_task(self.loop)))
        self._due[deadline] = due = self.loop.time() + self._seconds
        if self._timer is None:
            self._timer = self.loop.call_at(due, self._look)
        return deadline

    def _look(self) -> None:
        self._timer = None
        now = self.loop.time()
        for deadline, due in list(self._due.items()):
            if due > now:
                self._timer = self.loop.call_at(due, self._look)
                return
            del self._due[deadline]
            late = now - due
            if late < _HELD_UP_SECONDS:
                deadline.pass_by()
            else:
                # What was answered meanwhile is there, and nobody has read it yet: that is not the store's fault.
                deadline.postpone(min(late, self._seconds))


class Deadline:
    """Cancels what a task waits for when its time is over, and again until it gives in.

    `asyncio.timeout` does so once, and a client may take that one cancellation for something of its own: redis-py
    has timeouts and retries inside, with which a request was seen to hang for a minute.
    """

    __slots__ = ("_others", "_pending", "_task", "_timer", "_times")

    def __init__(self, pending: dict[Deadline, float], task: asyncio.Task[typing.Any]) -> None:
        self._pending = pending
        self._task = task
        self._others = task.cancelling()
        self._times = 0
        self._timer: asyncio.TimerHandle | None = None

    def postpone(self, seconds: float) -> None:
        """Give the call so much more time; there is no second postponement."""
        self._timer = self._task.get_loop().call_later(seconds, self.pass_by)

    def pass_by(self) -> None:
        """Cancel what the task waits for, now and at intervals until `end` is called."""
        self._times += 1
        self._timer = self._task.get_loop().call_later(_CANCEL_AGAIN_SECONDS, self.pass_by)
        self._task.cancel()

    def end(self) -> bool:
        """Stop watching. Return whether time was up, and nobody else wants the task to end."""
        if self._timer is None:
            del self._pending[self]
            return False
        self._timer.cancel()
        for _ in range(self._times):
            self._task.uncancel()
        return self._times > 0 and self._task.cancelling() <= self._others
