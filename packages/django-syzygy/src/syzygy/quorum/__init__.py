"""Processes that are about to run the same plan meet, and one of them runs it.

The functions work on the backend of the `MIGRATION_QUORUM_BACKEND` setting.
"""

from .configuration import get_backend
from .exceptions import QuorumDisolved, QuorumDissolved, QuorumError

__all__ = (
    "QuorumDisolved",
    "QuorumDissolved",
    "QuorumError",
    "get_backend",
    "join_quorum",
    "poll_quorum",
    "sever_quorum",
)


def join_quorum(namespace: str, quorum: int) -> bool:
    """Join, and return True if this made `quorum` members: exactly one of them is told so."""
    return get_backend().join(namespace=namespace, quorum=quorum)


def poll_quorum(namespace: str, quorum: int) -> bool:
    """Tell a member whether the quorum was attained; raises `QuorumDissolved` if it was severed."""
    return get_backend().poll(namespace=namespace, quorum=quorum)


def sever_quorum(namespace: str, quorum: int) -> None:
    """Tell every other member that it waits in vain."""
    get_backend().sever(namespace=namespace, quorum=quorum)
