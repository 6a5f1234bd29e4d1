"""A quorum backend made of three things: a place for a round's state, mutual exclusion, and a sign of life."""

import threading
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

from syzygy.quorum.exceptions import MembershipLost, QuorumDissolved
from syzygy.quorum.rounds import Round

from .base import QuorumBase

__all__ = ("RoundQuorum", "Slot")


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
        """Lock the namespace among all processes, yield its slot, store what the slot then holds."""

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
            with self._exclusive(namespace) as slot:
                current = slot.round
                if current is None or current.is_over(quorum, self._alive):
                    current = slot.round = Round(held=namespace.startswith(_HELD))
                leads = current.join(token, quorum, self._alive)
                if leads:
                    self._forget_partner(namespace)
            self._memberships.append(_Membership(namespace, token, told=leads, leader=current.leader))
            return leads

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
        with self._lock, self._exclusive(namespace) as slot:
            membership = self._untold_membership(namespace)
            current = slot.round
            if membership is not None and (current is None or membership.token not in current.members):
                self._drop(membership)
                raise MembershipLost(f"This process is no longer a member of the quorum {namespace!r}.")
            if current is None or current.outcome is None:
                return False
            self._tell(current, membership)
            slot.round = None if current.is_over(quorum, self._alive) else current
        if current.outcome == "severed":
            raise QuorumDissolved(f"The quorum {namespace!r} was severed.")
        return True

    def _tell(self, current: Round, membership: _Membership | None) -> None:
        current.tell(membership.token if membership is not None else None)
        if membership is not None:
            membership.told, membership.leader = True, current.leader or ""

    def sever(self, namespace: str, quorum: int) -> None:  # noqa: D102
        with self._lock, self._exclusive(namespace) as slot:
            if slot.round is None or slot.round.is_over(quorum, self._alive):
                slot.round = Round(held=namespace.startswith(_HELD))
            slot.round.sever()

    def leave(self, namespace: str, quorum: int) -> None:  # noqa: D102
        with self._lock:
            mine = [m for m in self._memberships if m.namespace == namespace and m.thread == threading.get_ident()]
            if not mine:
                return
            with self._exclusive(namespace) as slot:
                for membership in mine:
                    if slot.round is not None:
                        slot.round.leave(membership.token)
                if slot.round is not None and slot.round.is_over(quorum, self._alive):
                    slot.round = None
            for membership in mine:
                self._drop(membership)

    def leader_alive(self, namespace: str, quorum: int) -> bool | None:  # noqa: ARG002, D102
        with self._lock:
            leader = next((m.leader for m in self._of_this_thread(namespace) if m.leader is not None), None)
            if leader is None:
                return None
            return bool(leader) and not self._is_gone(leader)

    def others_waiting(self, namespace: str, quorum: int) -> int | None:  # noqa: ARG002, D102
        with self._lock, self._exclusive(namespace) as slot:
            mine = {membership.token for membership in self._of_this_thread(namespace)}
            members = slot.round.members if slot.round is not None else {}
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
