"""How a quorum fails."""

__all__ = ("LockExpiredError", "MembershipLost", "QuorumDisolved", "QuorumDissolved", "QuorumError")


class QuorumError(Exception):
    """The quorum cannot be kept: its storage does not answer, or has lost this process."""


class LockExpiredError(QuorumError):
    """The lock of the quorum expired under this process; nothing was stored, so the same may be tried again."""


class QuorumDissolved(Exception):  # noqa: N818 - it is news rather than a failure of the quorum
    """Somebody severed the quorum this process belongs to."""


class MembershipLost(QuorumDissolved):
    """This process was taken for gone: it gave no sign of life for a while, or the storage lost it."""


QuorumDisolved = QuorumDissolved
