"""Who is visiting, as the parts of the portal tell each other."""

from dataclasses import asdict, dataclass
from typing import Final

from pentad_config import KeyRing
from portal.tickets import BadTicketError, Tickets

IDENTITY_HEADER: Final = "X-Portal-Identity"
IDENTITY_SECONDS: Final = 30
HUB_TICKET_SECONDS: Final = 30
SERVER_TICKET_SCHEME: Final = "Portal"  # in the header Authorization

ROLES: Final = {"researcher": "Researcher", "curator": "Curator"}


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person who is signed in."""

    name: str
    display: str
    role: str

    @property
    def is_curator(self) -> bool:
        """Whether this person may approve data sets."""
        return self.role == "curator"

    @property
    def role_title(self) -> str:
        """The role in words."""
        return ROLES.get(self.role, self.role)


class IdentityHeader:
    """The header by which the front door vouches for a visitor to the catalogue.

    It is bound to the method and path of the one request it travels with, and carries the session's form
    token so that the sign-out button works on the catalogue's pages too.
    """

    def __init__(self, ring: KeyRing) -> None:
        self._tickets = Tickets(ring, "identity", seconds=IDENTITY_SECONDS)

    def issue(self, visitor: Visitor, method: str, path: str, form_token: str) -> str:
        """The header's value for one request."""
        return self._tickets.issue(**asdict(visitor), method=method, path=path, form_token=form_token)

    def read(self, value: str, method: str, path: str) -> tuple[Visitor, str]:
        """The visitor and the form token that a header vouches for.

        Raises:
            BadTicketError: the header is not the front door's word about this very request.
        """
        claims = self._tickets.read(value)
        if (claims.get("method"), claims.get("path")) != (method, path):
            raise BadTicketError("the identity header belongs to another request")
        return Visitor(claims["name"], claims["display"], claims["role"]), claims["form_token"]


def hub_tickets(ring: KeyRing) -> Tickets:
    """The tickets that open the notebook hub; the hub accepts each only once."""
    return Tickets(ring, "hub", seconds=HUB_TICKET_SECONDS)


def server_tickets(ring: KeyRing) -> Tickets:
    """The tickets by which the front door asks the hub how a visitor's server is; they open nothing."""
    return Tickets(ring, "server", seconds=HUB_TICKET_SECONDS)
