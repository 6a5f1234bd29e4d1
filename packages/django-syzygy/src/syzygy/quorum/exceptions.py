"""How a quorum fails."""

__all__ = ("QuorumDisolved", "QuorumDissolved", "QuorumError")


class QuorumError(Exception):
    """The quorum cannot be kept: its storage does not answer, or has lost this process."""


class QuorumDissolved(Exception):  # noqa: N818 - it is news rather than a failure of the quorum
    """Somebody severed the quorum this process belongs to."""


QuorumDisolved = QuorumDissolved
