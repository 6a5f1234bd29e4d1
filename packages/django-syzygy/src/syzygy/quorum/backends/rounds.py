"""A quorum backend made of three things: a place for a round's state, mutual exclusion, and a sign of life."""

import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import TypeVar

from syzygy.quorum.exceptions import LockExpiredError, MembershipLost, QuorumDissolved
from syzygy.quorum.rounds import Round

from .base import QuorumBase

__all__ = ("RoundQuorum", "Slot")


Result = TypeVar("Result")

# For how many seconds a process tries anew that stood still until others took over the lock it held, and how often.
_PATIENCE, _PAUSE = 30, 0.1
# Namespaces whose leader keeps them until it leaves: the choice of who migrates, and its turn to do so.
_HELD = ("pre:", "run:")


@dataclass
class Slot:
    """What is stored under a namespace while it is locked; assign `round` to change it."""

    round: Round | None


@dataclass
class _Membership:
    namespace: str
    token: str
    told: bool
    leader: str | None = None
    thread: int = field(default_factory=threading.get_ident)


class RoundQuorum(QuorumBase):
    """The rules of `Round` over a storage; safe for threads, each call of `join` being one more member."""

    takes_turns = True

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._memberships: list[_Membership] = []

    # What a storage provides

    @abstractmethod
    def _exclusive(self, namespace: str) -> AbstractContextManager[Slot]:
        """Lock the namespace among all processes, yield its slot, store what the slot then holds.

        Raises `LockExpiredError` instead of storing it if somebody else may have the lock by then.
        """

    @abstractmethod
    def _appear(self) -> str:
        """Start a sign of life that ends with this process, and return the token that stands for it."""

    @abstractmethod
    def _disappear(self, token: str) -> None:
        """End the sign of life of a token."""

    @abstractmethod
    def _alive(self, token: str) -> bool:
        """Tell whether the process behind a token still gives a sign of life."""

    def _is_gone(self, token: str) -> bool:
        """Tell whether a process that worked is surely gone, so that nobody need wait for it any longer."""
        return not self._alive(token)

    # The contract

    def join(self, namespace: str, quorum: int) -> bool:  # noqa: D102
        with self._lock, self._new_token() as token:

            def take_part(slot: Slot) -> Round:
                if slot.round is None or slot.round.is_over(quorum, self._alive):
                    slot.round = Round(held=namespace.startswith(_HELD))
                if slot.round.join(token, quorum, self._alive):
                    self._forget_partner(namespace)
                return slot.round

            current = self._change(namespace, take_part)
            leads = current.leader == token
            self._memberships.append(_Membership(namespace, token, told=leads, leader=current.leader))
            return leads

    def _change(self, namespace: str, change: Callable[[Slot], Result]) -> Result:
        """Let `change` see and alter what is stored. It may be called again, so it alters nothing else."""
        deadline = None
        while True:
            try:
                with self._exclusive(namespace) as slot:
                    return change(slot)
            except LockExpiredError:
                deadline = deadline or monotonic() + _PATIENCE
                if monotonic() > deadline:
                    raise
            threading.Event().wait(_PAUSE)

    @contextmanager
    def _new_token(self) -> Iterator[str]:
        token = self._appear()
        try:
            yield token
        except BaseException:
            self._disappear(token)
            raise

    def _forget_partner(self, namespace: str) -> None:
        """What an earlier run left in the second namespace must not be taken for the outcome of this one."""
        kind, _, rest = namespace.partition(":")
        if kind == "pre":
            with self._exclusive(f"post:{rest}") as slot:
                slot.round = None

    def poll(self, namespace: str, quorum: int) -> bool:  # noqa: D102
        with self._lock:
            membership = self._untold_membership(namespace)
            current = self._change(namespace, lambda slot: self._ask(slot, membership, quorum))
            if membership is not None and (current is None or membership.token not in current.members):
                self._drop(membership)
                raise MembershipLost(f"This process is no longer a member of the quorum {namespace!r}.")
            if current is None or current.outcome is None:
                return False
            if membership is not None:
                membership.told, membership.leader = True, current.leader or ""
        if current.outcome == "severed":
            raise QuorumDissolved(f"The quorum {namespace!r} was severed.")
        return True

    def _ask(self, slot: Slot, membership: _Membership | None, quorum: int) -> Round | None:
        """Look at the round, and if it has an outcome note that the member knows."""
        current, token = slot.round, membership.token if membership is not None else None
        if current is not None and current.outcome is not None and (token is None or token in current.members):
            current.tell(token)
            if current.is_over(quorum, self._alive):
                slot.round = None
        return current

    def sever(self, namespace: str, quorum: int) -> None:  # noqa: D102
        def give_up(slot: Slot) -> None:
            if slot.round is None or slot.round.is_over(quorum, self._alive):
                slot.round = Round(held=namespace.startswith(_HELD))
            slot.round.sever()

        with self._lock:
            self._change(namespace, give_up)

    def leave(self, namespace: str, quorum: int) -> None:  # noqa: D102
        with self._lock:
            mine = [m for m in self._memberships if m.namespace == namespace and m.thread == threading.get_ident()]
            if not mine:
                return

            def go(slot: Slot) -> None:
                if slot.round is None:
                    return
                for membership in mine:
                    slot.round.leave(membership.token)
                if slot.round.is_over(quorum, self._alive):
                    slot.round = None

            self._change(namespace, go)
            for membership in mine:
                self._drop(membership)

    def leader_alive(self, namespace: str, quorum: int) -> bool | None:  # noqa: ARG002, D102
        with self._lock:
            leader = next((m.leader for m in self._of_this_thread(namespace) if m.leader is not None), None)
            if leader is None:
                return None
            return bool(leader) and not self._is_gone(leader)

    def others_waiting(self, namespace: str, quorum: int) -> int | None:  # noqa: ARG002, D102
        with self._lock:
            mine = {membership.token for membership in self._of_this_thread(namespace)}
            members = self._change(namespace, lambda slot: slot.round.members if slot.round is not None else {})
            return sum(token not in mine and self._alive(token) for token in members)

    def close(self) -> None:  # noqa: D102
        with self._lock:
            for membership in list(self._memberships):
                self._drop(membership)

    # Who is who in this process

    def _of_this_thread(self, namespace: str) -> list[_Membership]:
        """This thread's memberships, the newest first."""
        thread = threading.get_ident()
        return [m for m in reversed(self._memberships) if m.namespace == namespace and m.thread == thread]

    def _untold_membership(self, namespace: str) -> _Membership | None:
        """The membership a poll speaks for: this thread's if it has one, else any that waits."""
        waiting = [m for m in self._memberships if m.namespace == namespace and not m.told]
        own = [m for m in waiting if m.thread == threading.get_ident()]
        return next(iter(own or waiting), None)

    def _drop(self, membership: _Membership) -> None:
        self._memberships.remove(membership)
        self._disappear(membership.token)
