"""Followers hear of new events when the transaction that has recorded them commits.

The eventsourcing library prompts followers as soon as events are recorded. Inside a transaction that is too early: a
follower in another thread looks for events that it cannot see yet, and is not prompted again, or it processes events
that are rolled back afterwards. `install()` puts this in the library's place, for applications whose events are in
Django's databases, whichever runner prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django.db import connections, transaction
from eventsourcing.system import Leader, SingleThreadedRunner

from eventsourcing_django.library import name_of, prompt_of
from eventsourcing_django.recorders import DjangoApplicationRecorder

__all__ = ["InsideTransactions", "install"]

_library_notify = Leader._notify  # noqa: SLF001  # what subclasses call, and where all runners begin


class InsideTransactions:
    """Mixed into a receiver that is prompted at once, and only then, even if the events may be rolled back."""


def install() -> None:
    """Have leaders prompt on commit."""
    Leader._notify = _notify  # type: ignore[method-assign,assignment]  # noqa: SLF001


def _notify(leader: Leader[Any], recorded: Any) -> None:
    if not isinstance(leader.recorder, DjangoApplicationRecorder):
        _library_notify(leader, recorded)
        return
    super(Leader, leader)._notify(recorded)
    prompt = prompt_of(leader, recorded)
    if prompt is not None:
        _prompt(leader, prompt, leader.recorder.using)


def _prompt(leader: Leader[Any], prompt: Callable[[Any], None], alias: str) -> None:
    receivers = list(leader.followers)
    if not connections[alias].in_atomic_block:
        _deliver(prompt, receivers)
        return
    _deliver(prompt, [each for each in receivers if _works_inside(each, name_of(leader), alias)])
    later = [each for each in receivers if not isinstance(each, InsideTransactions)]
    transaction.on_commit(partial(_deliver, prompt, later), using=alias)


def _deliver(prompt: Callable[[Any], None], receivers: Sequence[Any]) -> None:
    for receiver in receivers:
        prompt(receiver)


def _works_inside(receiver: Any, leader_name: str, alias: str) -> bool:
    """Say whether what a receiver does now is part of the transaction.

    A `SingleThreadedRunner` pulls in this thread and remembers nothing, so it sees the events, and what its followers
    record is rolled back with them if it is in the same database. It is prompted once more on commit, because
    it leaves the work to another thread if that one is at it, which does not see the events before.
    """
    if isinstance(receiver, SingleThreadedRunner):
        followers = [receiver.apps.get(name) for name in receiver.system.leads[leader_name]]
        return all(follower and getattr(follower.recorder, "using", None) == alias for follower in followers)
    return isinstance(receiver, InsideTransactions)
