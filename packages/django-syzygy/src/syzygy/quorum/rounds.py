"""The rules of a quorum, free of storage: one round from the first member to the last one told.

`alive` tells whether the process behind a member still exists; dead ones do not count.
"""

import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self, TypeAlias

from .exceptions import QuorumError

__all__ = ("Alive", "Round")

Alive: TypeAlias = Callable[[str], bool]


@dataclass
class Round:
    """Members (and whether each has been told the outcome), the outcome, and who attained it.

    A `held` round lasts while its leader does, so that nobody starts a second one beside it; any other is over as
    soon as everybody is told.
    """

    held: bool = False
    identity: str = field(default_factory=lambda: uuid.uuid4().hex)
    members: dict[str, bool] = field(default_factory=dict)
    outcome: Literal["attained", "severed"] | None = None
    leader: str | None = None
    told_severed: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The round as plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        """Read a round back. Raises `QuorumError` if it is anything else: others may be able to write there."""
        kinds = {"held": bool, "identity": str, "members": dict, "outcome": str | None, "leader": str | None}
        if (
            not isinstance(data, dict)
            or data.keys() != {*kinds, "told_severed"}
            or not isinstance(data["told_severed"], int)
            or not all(isinstance(data[name], kind) for name, kind in kinds.items())
            or not all(isinstance(name, str) for name in data["members"])
        ):
            raise QuorumError("What is stored for it was not written by this version of pentad-syzygy; delete it.")
        return cls(**data)

    def join(self, token: str, quorum: int, alive: Alive) -> bool:
        """Add a member; True if it attains the quorum. Who comes after the outcome only learns it."""
        if self.outcome is None:
            self.members = {member: told for member, told in self.members.items() if alive(member)}
        self.members[token] = False
        if self.outcome is not None or len(self.members) < quorum:
            return False
        self.outcome, self.leader = "attained", token
        self.members[token] = True
        return True

    def tell(self, token: str | None) -> None:
        """Note that a member knows the outcome."""
        if self.outcome == "severed":
            self.told_severed += 1
        if token is not None:
            self.members[token] = True

    def sever(self) -> None:
        """Give the quorum up."""
        self.outcome, self.leader = "severed", None

    def leave(self, token: str) -> None:
        """Remove a member; a leader that leaves has finished."""
        self.members.pop(token, None)
        if self.leader == token:
            self.leader = None

    def is_over(self, quorum: int, alive: Alive) -> bool:
        """Whether nobody can still want to know the outcome, so that a new round may begin."""
        if self.outcome is None:
            return not self.members
        if self.outcome == "severed":
            return self.told_severed >= quorum - 1
        if self.held and self.leader is not None and alive(self.leader):
            return False
        return all(told or not alive(member) for member, told in self.members.items())
