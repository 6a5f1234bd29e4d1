"""Short-lived signed statements that one part of the portal makes to another.

The front door alone knows who is signed in. It tells the catalogue with every request it passes on, and the
notebook hub once at the start of a visit, by a ticket: a few claims, a time stamp and a signature.
"""

from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer

from pentad_config import KeyRing


class BadTicketError(ValueError):
    """The ticket is forged, altered, older than it may be, or made for another purpose."""


class Tickets:
    """Issues and reads the tickets of one purpose.

    A ticket of one purpose is worthless for another: the purpose is part of what is signed. The key ring
    may rotate while the process runs; a ticket signed by a key that was added a moment ago makes the ring
    look again once before the ticket is refused.
    """

    def __init__(self, ring: KeyRing, purpose: str, *, seconds: int) -> None:
        self._ring = ring
        self._purpose = purpose
        self._seconds = seconds

    def issue(self, **claims: str) -> str:
        """A ticket with these claims, safe in a header and in an address."""
        return str(self._signer().dumps(claims))

    def read(self, ticket: str) -> dict[str, str]:
        """The claims of a ticket.

        Raises:
            BadTicketError: for anything but a fresh ticket of this purpose.
        """
        try:
            return self._claims(ticket)
        except BadSignature as error:
            problem = error
        if self._ring.refresh():
            try:
                return self._claims(ticket)
            except BadSignature as error:
                problem = error
        # Neither in our words nor as the cause: the library's error holds the ticket.
        raise BadTicketError(f"{self._purpose} ticket: {_reason(problem)}") from None

    def _claims(self, ticket: str) -> dict[str, str]:
        claims = self._signer().loads(ticket, max_age=self._seconds)
        return {str(name): str(value) for name, value in claims.items()}

    def _signer(self) -> URLSafeTimedSerializer:
        return self._ring.derived(f"portal.{self._purpose}", self._build)

    def _build(self, ring: KeyRing) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(ring.oldest_first(), salt=f"portal.{self._purpose}")


def _reason(problem: BadSignature) -> str:
    return "it has run out" if isinstance(problem, SignatureExpired) else "not signed by a key of this portal"
