"""Bringing followers up to date with their leaders, in this thread, one committed event after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from django.db import connections, transaction
from eventsourcing.application import LRUCache
from eventsourcing.system import Follower, Leader, Runner, System

from eventsourcing_django.library import Application, PromptReceiver
from eventsourcing_django.own_connections import drop_dead_connection
from eventsourcing_django.prompting import InsideTransactions
from eventsourcing_django.write_transactions import write_transaction

__all__ = ["FollowerReport", "Progress", "Synchronizer", "rolled_back"]

# An override in a project's class is called as a whole; the library's own method is taken event by event.
_PULL_AND_PROCESS = Follower.pull_and_process


@dataclass
class FollowerReport:
    """What synchronising a follower came to.

    Attributes:
        follower: its name.
        events: the number of events processed, by leader.
        error: what ended it early, or None.
        positions: up to where it has processed each leader now, of those that had new events.
    """

    follower: str
    events: dict[str, int] = field(default_factory=dict)
    error: Exception | None = None
    positions: dict[str, int] = field(default_factory=dict)


Progress = Callable[[str, str, int], bool]
"""Called after each event with the names of follower and leader and the event's position; True ends the follower."""


class Synchronizer:
    """Makes followers of a started runner process what their leaders have recorded.

    Every event is committed, together with what processing it changed in the follower's database, before the next
    one is looked at: whatever interrupts this, the next run resumes at the event that was not finished. While it
    runs, followers are not prompted by their leaders: `sync` says instead who has new events to process.

    Args:
        runner: a started runner.
    """

    def __init__(self, runner: Runner[Any]) -> None:
        self._runner = runner
        self._system: System = runner.system

    def application(self, name: str) -> Application[Any]:
        """Give the runner's application of a name."""
        return self._runner.get(self._system.get_app_cls(name))

    def downstream(self, follower: str) -> list[str]:
        """Give the followers of a follower that records events itself."""
        return self._system.leads.get(follower, [])

    @property
    def followers(self) -> list[str]:
        """The names of all followers, in the system's order."""
        return self._system.followers

    def leaders_of(self, followers: Iterable[str]) -> list[Application[Any]]:
        """Give the applications that followers follow."""
        names = dict.fromkeys(leader for name in followers for leader in self._system.follows[name])
        return [self.application(name) for name in names]

    def positions(self, follower: str) -> dict[str, int]:
        """Give the positions up to which a follower has processed its leaders, of those that it has begun with."""
        recorder: Any = self.application(follower).recorder
        reached = {leader: recorder.max_tracking_id(leader) for leader in self._system.follows[follower]}
        return {leader: position for leader, position in reached.items() if position is not None}

    def reach(self, followers: Iterable[str]) -> list[str]:
        """Give the followers, and everybody that events of theirs get to."""
        reached: dict[str, None] = {}
        waiting = list(followers)
        while waiting:
            name = waiting.pop(0)
            if name not in reached:
                reached[name] = None
                waiting += self.downstream(name)
        return list(reached)

    def aliases(self, followers: Iterable[str]) -> dict[str, str | None]:
        """Give the database alias of each follower; None for one that keeps its events outside Django."""
        return {name: getattr(self.application(name).recorder, "using", None) for name in followers}

    def sync(self, followers: Iterable[str], progress: Progress | None = None) -> Iterator[FollowerReport]:
        """Synchronise followers in the order given, then those that have been given new events by it.

        An error ends the follower that it comes from, not the others.

        Args:
            followers: their names.
            progress: is called after each event.

        Yields:
            A report for each follower of the argument, then for each one downstream that had something to do.
        """
        waiting = list(followers)
        with self.prompts_withheld() as prompting:
            while waiting:
                name = waiting.pop(0)
                prompting.clear()
                yield self.sync_follower(name, progress)
                waiting += [later for leader in prompting for later in self.downstream(leader) if later not in waiting]

    def sync_follower(self, name: str, progress: Progress | None = None) -> FollowerReport:
        """Have one follower process what there is for it, while prompts are withheld."""
        report = FollowerReport(name)
        follower = self.application(name)
        try:
            for leader in self._system.follows[name]:
                report.events[leader] = 0
                for position in self._processed(follower, leader):
                    report.events[leader] += 1
                    report.positions[leader] = position
                    if progress and progress(name, leader, position):
                        return report
        except Exception as error:  # noqa: BLE001  # reported; the other followers have their own chance
            report.error = error
            _forget(follower)  # what was rolled back must not be remembered
        return report

    def _processed(self, follower: Any, leader: str) -> Iterator[int]:
        if type(follower).pull_and_process is not _PULL_AND_PROCESS:
            yield from self._pulled_as_a_whole(follower, leader)
            return
        start = follower.recorder.max_tracking_id(leader)
        reached = start or 0
        try:
            for reached in self._processed_after(start, follower, leader):
                yield reached
        except Exception as error:
            # An event that cannot be processed is the next one.
            error.add_note(f"It has processed {leader} up to position {reached}.")
            raise

    @staticmethod
    def _processed_after(start: int | None, follower: Any, leader: str) -> Iterator[int]:
        for section in follower.pull_notifications(leader, start=start, inclusive_of_start=False):
            wanted = follower.filter_received_notifications(section)
            for domain_event, tracking in follower.convert_notifications(leader, wanted):
                with _transaction_of(follower):
                    follower.process_event(domain_event, tracking)
                yield tracking.notification_id

    def _pulled_as_a_whole(self, follower: Any, leader: str) -> Iterator[int]:
        before = follower.recorder.max_tracking_id(leader)
        follower.pull_and_process(leader)
        after = follower.recorder.max_tracking_id(leader)
        if after != before:
            yield after

    @contextmanager
    def prompts_withheld(self) -> Iterator[dict[str, None]]:
        """Keep leaders from prompting their followers.

        Yields:
            A dictionary to which the name of every leader is added that records events.
        """
        prompting: dict[str, None] = {}
        receiver = _PromptCollector(prompting)
        leaders = [leader for leader in map(self.application, self._system.nodes) if isinstance(leader, Leader)]
        receivers = [leader.followers for leader in leaders]
        for leader in leaders:
            leader.followers = [receiver]
        try:
            yield prompting
        finally:
            for leader, followers in zip(leaders, receivers, strict=True):
                leader.followers = followers


class _PromptCollector(InsideTransactions, PromptReceiver):  # type: ignore[type-arg]
    """Notes down which applications have recorded events."""

    def __init__(self, prompting: dict[str, None]) -> None:
        self._prompting = prompting

    def receive_recording_event(self, new_recording_event: Any) -> None:
        """Take a prompt of eventsourcing 9."""
        self._prompting[new_recording_event.application_name] = None

    def receive_prompt(self, context_name: str, notification_id: int) -> None:  # noqa: ARG002  # the library's names
        """Take a prompt of eventsourcing 10."""
        self._prompting[context_name] = None


def _transaction_of(follower: Application[Any]) -> AbstractContextManager[object]:
    # What a policy changes through the ORM belongs to the event as much as the events it records.
    alias: str | None = getattr(follower.recorder, "using", None)
    if alias is None:
        return nullcontext()
    drop_dead_connection(connections[alias])
    return write_transaction(alias)


@contextmanager
def rolled_back(applications: Iterable[Application[Any]], aliases: Iterable[str]) -> Iterator[None]:
    """Undo at the end everything that is done inside: in the databases, and in the applications' memory of them."""
    with ExitStack() as stack:
        for alias in sorted(set(aliases)):
            stack.enter_context(write_transaction(alias))
            stack.callback(transaction.set_rollback, True, using=alias)
        yield
    for application in applications:
        _forget(application)


def _forget(application: Application[Any]) -> None:
    cache = application.repository.cache
    if cache is not None:
        cache.cache.clear()
    if isinstance(cache, LRUCache):
        cache.clear()
    if isinstance(application, Leader):
        application.previous_max_notification_id = None
