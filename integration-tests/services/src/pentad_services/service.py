"""What all services have in common: a line that says what runs, and a way to stop it."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from pentad_config import Secret
from pentad_services.errors import ServiceEnded
from pentad_services.guard import GuardedProcess, ProcessGuard

__all__ = ["AddressedService", "Home", "Service"]


@dataclass
class Service:
    """A running service. As a context manager it stops at the end of the block."""

    line: str
    """One line that says what this is: ``redis: valkey 9.1.2 (wheel), 127.0.0.1:41233``."""
    _stop: Callable[[], object] = field(default=lambda: None, repr=False, kw_only=True)
    _process: GuardedProcess | None = field(default=None, repr=False, kw_only=True)
    _stopped: bool = field(default=False, repr=False, init=False)

    def stop(self) -> None:
        """Stop what was started; a service that was only found stays. Safe to call twice."""
        if not self._stopped:
            self._stopped = True
            self._stop()

    def kill(self) -> None:
        """End it at once, as a power failure does; what it keeps on disk stays. `start_again` is the way back.

        Raises RuntimeError if it was only found, not started.
        """
        process = self._own_process()
        process.kill()
        process.wait(120)

    def start_again(self) -> None:
        """Start it again after `kill`, at the same address and with the same data; it may take a while to answer."""
        self._own_process().start_again()

    def _own_process(self) -> GuardedProcess:
        if self._process is None:
            raise RuntimeError(f"{self.line} was not started here")
        return self._process

    def check_alive(self) -> None:
        """Raise ServiceEnded if its process was started here and has ended by itself."""
        if self._process is None or self._stopped:
            return
        code = self._process.poll()
        if code is not None:
            raise ServiceEnded(f"{self.line} ended with status {code}. Its log ends:\n{self._process.tail()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


@dataclass
class AddressedService(Service):
    """A running service that is reached by one URL, which holds its password."""

    address: Secret
    """The URL."""

    @property
    def url(self) -> str:
        """The URL as text, for a client that takes no `Secret`."""
        return self.address.text()


@dataclass
class Home:
    """The guard that a service is started under: the caller's, or one of its own."""

    guard: ProcessGuard
    own: bool

    @classmethod
    def of(cls, guard: ProcessGuard | None) -> Self:
        """Use `guard`, or make one that ends with the service."""
        return cls(guard or ProcessGuard(), own=guard is None)

    @contextlib.contextmanager
    def closed_on_failure(self) -> Iterator[None]:
        """Close it when the block, which starts the service, fails."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    def stop(self, process: GuardedProcess, grace: float, stop_signal: int = signal.SIGTERM) -> None:
        """End the service's process, and close."""
        process.stop(stop_signal, grace)
        self.close()

    def close(self) -> None:
        """Close the guard if it is the service's own."""
        if self.own:
            self.guard.close()
