"""A daemon that keeps followers up to date: one event after the other, each committed by itself."""

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType

from django.db import connections

from eventsourcing_django.announcements import Announcements
from eventsourcing_django.election import Election
from eventsourcing_django.health_file import DaemonHealth, FollowerHealth, HealthFileError
from eventsourcing_django.listening import WakeUp
from eventsourcing_django.own_connections import is_free
from eventsourcing_django.synchronisation import FollowerReport, Synchronizer

__all__ = ["DaemonOptions", "FollowerDaemon", "FollowerGivenUpError"]

_logger = logging.getLogger(__name__)
# After so many events it is another follower's turn.
_EVENTS_PER_TURN = 100
_HEALTH_INTERVAL = 1.0


class FollowerGivenUpError(Exception):
    """Raised when a follower has failed as often in a row as it may."""


@dataclass(frozen=True)
class DaemonOptions:
    """How the daemon works; all times are in seconds.

    Attributes:
        poll_interval: how often to look for events that nobody has announced, and for followers of dead processes.
        first_backoff: how long a follower that has failed is left alone; twice as long after each further failure.
        longest_backoff: but not longer than this.
        max_failures: give up when a follower has failed so often in a row; None is never.
        health_file: where to say how it is; None is nowhere.
        stale_after: how old the file may be before the daemon is considered stuck.
    """

    poll_interval: float = 1.0
    first_backoff: float = 1.0
    longest_backoff: float = 60.0
    max_failures: int | None = None
    health_file: Path | None = None
    stale_after: float = 30.0


class FollowerDaemon(AbstractContextManager["FollowerDaemon"]):
    """Runs followers until it is told to stop.

    Args:
        synchronizer: of a started runner.
        elections: for each follower, where it is decided which process runs it.
        options: how.
    """

    def __init__(
        self, synchronizer: Synchronizer, elections: Mapping[str, Election], options: DaemonOptions | None = None
    ) -> None:
        self._options = options or DaemonOptions()
        self._synchronizer = synchronizer
        self._elections = elections
        self._wake_up = WakeUp()
        self._is_stopping = False
        self._announcements = Announcements(synchronizer.leaders_of(elections), self._wake_up)
        self._retry_at: dict[str, float] = {}
        self._elected: set[str] = set()
        self._elected_at = self._written_at = float("-inf")
        self._is_file_written = False
        self.health = DaemonHealth(
            followers={name: FollowerHealth() for name in elections}, stale_after=self._options.stale_after
        )

    def stop(self) -> None:
        """End `run` after the event that is being processed; from any thread, or a signal handler."""
        self._is_stopping = True
        self._wake_up.set()

    def run(self) -> None:
        """Process events until `stop` is called.

        Raises:
            FollowerGivenUpError: a follower has failed too often.
            HealthFileError: the health file cannot be written at the start; later the log says so.
            OSError: the lock of a follower cannot be made.
        """
        self._write_health()
        with self._synchronizer.prompts_withheld():
            while not self._is_stopping:
                self._elect()
                self._announcements.prepare()
                busy = [name for name in self._elections if self._may_run(name) and self._take_turn(name)]
                self._update_health()
                if not busy:
                    self._announcements.wait(self._idle_time())
        self.health.status = "stopped"
        self._update_health(at_once=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give up the followers and the sessions."""
        for election in set(self._elections.values()):
            election.close()
        self._announcements.close()

    def _elect(self) -> None:
        now = time.monotonic()
        if now - self._elected_at < self._options.poll_interval:
            return
        self._elected_at = now
        for election in set(self._elections.values()):
            election.renew([name for name, its in self._elections.items() if its is election])
        elected = {name for name, election in self._elections.items() if name in election.held}
        taken_up = elected - self._elected
        for name in taken_up:
            self._take_up(name)
        for name in self._elections.keys() - elected:
            # Nobody knows whether another process runs it, so nobody may rely on that.
            error = self._elections[name].error
            self.health.followers[name].status = "failing" if error else "standby"
            self.health.followers[name].error = error
        self._elected = elected
        if taken_up:
            self._update_health(at_once=True)

    def _take_up(self, name: str) -> None:
        follower = self.health.followers[name]
        follower.status, follower.error = "following", None
        _logger.info("Following as %s", name)
        try:
            # The next event may be long in coming, and so may the end of the first turn.
            follower.positions.update(self._synchronizer.positions(name))
        except Exception as error:  # noqa: BLE001  # whatever it is, the follower cannot process anything either
            self._back_off(FollowerReport(name), error)

    def _may_run(self, name: str) -> bool:
        waiting = self._retry_at.get(name, 0) > time.monotonic()
        return not self._is_stopping and not waiting and name in self._elections[name].held

    def _take_turn(self, name: str) -> bool:
        """Have a follower process some events; say whether there may be more for it or for those downstream."""
        report = self._synchronizer.sync_follower(name, _stop_after(_EVENTS_PER_TURN, self._after_event))
        follower = self.health.followers[name]
        follower.positions.update(report.positions)
        follower.processed += sum(report.events.values())
        if report.error is not None:
            self._back_off(report, report.error)
        else:
            follower.status, follower.failures, follower.error, follower.retry_at = "following", 0, None, None
        return any(report.events.values())

    def _after_event(self) -> bool:
        self._update_health()
        return self._is_stopping

    def _back_off(self, report: FollowerReport, error: Exception) -> None:
        follower = self.health.followers[report.follower]
        if any(report.events.values()):
            follower.failures = 0  # it gets on
        follower.failures += 1
        delay = min(self._options.longest_backoff, self._options.first_backoff * 2.0 ** min(follower.failures - 1, 30))
        follower.status, follower.error = "failing", type(error).__qualname__
        follower.retry_at = (datetime.now(UTC) + timedelta(seconds=delay)).isoformat()
        self._retry_at[report.follower] = time.monotonic() + delay
        _logger.error(
            "Follower %s has failed %d time(s) in a row, and is tried again in %.0f s",
            report.follower, follower.failures, delay, exc_info=error,
        )  # fmt: skip
        self._give_up_connections()
        if self._options.max_failures is not None and follower.failures >= self._options.max_failures:
            self._update_health(at_once=True)
            raise FollowerGivenUpError(f"{report.follower} has failed {follower.failures} times in a row")

    @staticmethod
    def _give_up_connections() -> None:
        # One that works may lead to a server that has become a replica.
        for connection in connections.all(initialized_only=True):
            if is_free(connection):
                connection.close()

    def _idle_time(self) -> float:
        waiting = [at - time.monotonic() for name, at in self._retry_at.items() if name in self._elections[name].held]
        return max(0.0, min([self._options.poll_interval, *[seconds for seconds in waiting if seconds > 0]]))

    def _update_health(self, *, at_once: bool = False) -> None:
        if not at_once and time.monotonic() - self._written_at < _HEALTH_INTERVAL:
            return
        try:
            self._write_health()
        except HealthFileError as error:
            # Followers need no file. Who monitors them sees that it becomes stale.
            if self._is_file_written:
                _logger.error("%s", error)  # noqa: TRY400  # its traceback says nothing more
            self._is_file_written = False

    def _write_health(self) -> None:
        self._written_at = time.monotonic()
        if self._options.health_file:
            self.health.write(self._options.health_file)
        self._is_file_written = True


def _stop_after(number: int, is_over: Callable[[], bool]) -> Callable[[str, str, int], bool]:
    left = iter(range(number - 1, -1, -1))
    return lambda *_: is_over() or next(left, 0) == 0
