"""What a quorum backend does."""

from abc import ABC, abstractmethod

__all__ = ("QuorumBase",)


class QuorumBase(ABC):
    """Lets `quorum` processes meet under a namespace.

    `migrate` uses two namespaces: `pre:<database>:<plan hash>` until enough processes are there and one of them is
    chosen, and `post:<database>:<plan hash>` until that one is done. A namespace can be used again as soon as all
    its members have learned how it went.

    The last four methods have answers that fit a backend which cannot say more.
    """

    # Whether joining `run:<database>` as a quorum of one succeeds for one process at a time, until it leaves.
    takes_turns = False

    @abstractmethod
    def join(self, namespace: str, quorum: int) -> bool:
        """Join; True for exactly one member, the one with which the quorum is attained."""

    @abstractmethod
    def poll(self, namespace: str, quorum: int) -> bool:
        """Tell a member whether the quorum was attained; raises `QuorumDissolved` if it was severed."""

    @abstractmethod
    def sever(self, namespace: str, quorum: int) -> None:
        """Let the other members' `poll` raise `QuorumDissolved`."""

    def leave(self, namespace: str, quorum: int) -> None:  # noqa: B027
        """Stop being a member: this process no longer waits, or, if it was chosen, has finished."""

    def leader_alive(self, namespace: str, quorum: int) -> bool | None:  # noqa: ARG002
        """Tell a member whether the process that was chosen still works; None if that cannot be known."""
        return None

    def others_waiting(self, namespace: str, quorum: int) -> int | None:  # noqa: ARG002
        """Count the other living members; None if that cannot be known."""
        return None

    def close(self) -> None:  # noqa: B027
        """Give up connections and all memberships."""
