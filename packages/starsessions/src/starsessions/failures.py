"""What happens when a store hangs, refuses or keeps failing: a deadline, a circuit breaker, a policy."""

from __future__ import annotations

import asyncio
import functools
import time
import typing

from starsessions.deadlines import Watch
from starsessions.exceptions import ImproperlyConfigured, SessionError, SessionStoreTimeout, SessionStoreUnavailable

if typing.TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starsessions.deadlines import Deadline

__all__ = ["DEFAULT_TIMEOUT", "CircuitBreaker", "FailurePolicy", "StoreCalls"]

FailurePolicy = typing.Literal["raise", "unavailable", "anonymous"]
T = typing.TypeVar("T")

DEFAULT_TIMEOUT = 5.0
"""Seconds: longer than any store that works needs, even through a failover, and shorter than proxies and
people wait. Without a limit of ours, redis-py's retries make one request hang for about a minute."""


class CircuitBreaker:
    """Keeps requests from queueing up before a store that fails.

    After `threshold` failures in a row nobody asks the store for `pause` seconds; then one request may try, and
    what becomes of it decides for all.
    """

    def __init__(self, threshold: int = 5, pause: float = 5.0) -> None:
        self.threshold = threshold
        self.pause = pause
        self._failures = 0
        self._closed_until = 0.0
        self._probing = False

    def enter(self) -> None:
        """Let a call pass. Raises SessionStoreUnavailable while the store is not to be asked."""
        if self._failures < self.threshold:
            return
        left = self._closed_until - time.monotonic()
        if left > 0 or self._probing:
            raise SessionStoreUnavailable(
                f"The session store failed {self._failures} times in a row and is left alone for the moment.",
                retry_after=max(1, round(left)),
            )
        self._probing = True

    def succeeded(self) -> None:
        """The store answered."""
        self._failures = 0
        self._probing = False

    def failed(self) -> None:
        """The store did not answer, or with an error."""
        self._failures += 1
        self._probing = False
        self._closed_until = time.monotonic() + self.pause

    def abandoned(self) -> None:
        """The call ended, and nothing was learned about whether the store works."""
        self._probing = False


class StoreCalls:
    """Calls the methods of one store, each for no longer than `timeout` seconds (None: as long as they take).

    With the policy "raise" a failing store's own exception is passed on; with the others every failure is a
    SessionStoreUnavailable. Exceptions of this package come from stores that work and are passed on as they are.
    """

    def __init__(
        self, *, in_process: bool = False, timeout: float | None = None, policy: FailurePolicy = "raise"
    ) -> None:
        if timeout is not None and not _is_positive(timeout):
            raise ImproperlyConfigured(f"store_timeout: {timeout!r} is no positive number of seconds. None means none.")
        if policy not in typing.get_args(FailurePolicy):
            raise ImproperlyConfigured(f"on_store_failure: {policy!r} is not one of raise, unavailable, anonymous.")
        self.policy = policy
        self.timeout = None if in_process else timeout  # a store in this process does not wait
        self.breaker = CircuitBreaker()
        self._watch: Watch | None = None
        self.is_direct = in_process and policy == "raise"

    def __call__(self, method: Callable[..., Awaitable[T]], *args: typing.Any, **options: typing.Any) -> Awaitable[T]:
        """Call a method of the store."""
        return method(*args, **options) if self.is_direct else self._limited(method, *args, **options)

    def limited(self, method: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
        """Return a method of the store with the limits, which are none for a store in this process."""
        return method if self.is_direct else functools.partial(self._limited, method)

    async def _limited(self, method: Callable[..., Awaitable[T]], *args: typing.Any, **options: typing.Any) -> T:
        self.breaker.enter()
        deadline = None
        try:
            if self.timeout is not None:
                deadline = self._deadline(self.timeout)
            result = await method(*args, **options)
        except BaseException as error:
            if deadline is not None and deadline.end():
                self.breaker.failed()
                text = f"The session store did not answer within {self.timeout} seconds."
                raise SessionStoreTimeout(text) from error
            self._note(error)
            if self.policy == "raise" or isinstance(error, SessionError) or not isinstance(error, Exception):
                raise
            raise SessionStoreUnavailable(f"The session store failed: {type(error).__name__}.") from error
        if deadline is not None:
            deadline.end()
        self.breaker.succeeded()
        return result

    def _deadline(self, seconds: float) -> Deadline:
        loop, watch = asyncio.get_running_loop(), self._watch
        if watch is None or watch.loop is not loop:
            watch = self._watch = Watch(loop, seconds)
        return watch.begin()

    def _note(self, error: BaseException) -> None:
        """Let the circuit breaker know what an error says about the store."""
        if isinstance(error, SessionError):
            if isinstance(error, SessionStoreUnavailable):
                self.breaker.failed()
            else:
                self.breaker.succeeded()
        elif isinstance(error, Exception) and not isinstance(error, (LookupError, TypeError, ValueError)):
            self.breaker.failed()
        else:
            # A store that cannot work with what a visitor sent, an id that is no UUID for example, works for others.
            self.breaker.abandoned()


def _is_positive(seconds: object) -> bool:
    return type(seconds) in {int, float} and seconds > 0  # type: ignore[operator]  # a boolean is no time
