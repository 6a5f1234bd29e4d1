"""Sign-in by the front door's one-time ticket.

A visitor without a hub session is sent to the front door with a random state, which the hub also keeps in a
cookie. The front door answers with a signed ticket that names the visitor and repeats the state. The ticket
holds for half a minute, in this browser, once.
"""

import hmac
import secrets
from typing import Any, Final
from urllib.parse import urlencode

from jupyterhub.auth import Authenticator
from jupyterhub.handlers import BaseHandler
from jupyterhub.handlers.login import LogoutHandler
from jupyterhub.user import User
from jupyterhub.utils import new_token
from redis.exceptions import RedisError

from portal.hub_sign_out import was_signed_out
from portal.identity import HUB_TICKET_SECONDS, hub_tickets
from portal.redis_client import redis_client
from portal.settings import shared_settings
from portal.tickets import BadTicketError

_STATE_COOKIE: Final = "portal-state"
_STATE_MINUTES: Final = 10


class PortalLogin(BaseHandler):
    """Sends the browser to the front door for a ticket."""

    async def get(self) -> None:
        """Set a fresh state and redirect."""
        state = secrets.token_hex(16)
        self.set_cookie(
            _STATE_COOKIE, state, path=self.hub.base_url, httponly=True, samesite="Lax",
            secure=shared_settings().cookie_https_only, max_age=_STATE_MINUTES * 60,
        )  # fmt: skip
        query = urlencode({"state": state, "next": self.get_argument("next", "")})
        self.redirect(f"{shared_settings().public_url}/notebooks/ticket?{query}")


class PortalTicket(BaseHandler):
    """Takes the ticket that the front door sent along."""

    async def get(self) -> None:
        """Sign in whom the ticket names; anybody else starts again at the front door.

        An error page would write this address, and with it the ticket, into the hub's log.
        """
        user = await self.login_user()
        self.clear_cookie(_STATE_COOKIE, path=self.hub.base_url)
        if user is None:
            self.redirect(f"{shared_settings().public_url}/notebooks?refused=yes")
            return
        self.redirect(self.get_next_url(user))

    def append_query_parameters(self, url: str, exclude: list[str] | None = None) -> str:
        """The address as it is: the ticket goes no further."""
        return url


class PortalLogout(LogoutHandler):
    """Signing out ends at the front door."""

    async def render_logout_page(self) -> None:
        """Go to the front door's page."""
        self.redirect(f"{shared_settings().public_url}/signed-out")


class PortalAuthenticator(Authenticator):
    """Believes the front door's tickets, each once."""

    auto_login = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        settings = shared_settings()
        self._tickets = hub_tickets(settings.signing_keys)
        self._redis = redis_client(settings.redis_url)

    def login_url(self, base_url: str) -> str:
        """Where visitors without a session are sent."""
        return f"{base_url.rstrip('/')}/portal-login"

    def get_handlers(self, app: Any) -> list[tuple[str, type[BaseHandler]]]:
        """The addresses of sign-in and sign-out."""
        return [("/portal-login", PortalLogin), ("/portal-ticket", PortalTicket), ("/logout", PortalLogout)]

    async def authenticate(self, handler: BaseHandler, data: Any) -> str | None:
        """The name on the ticket; None if the ticket does not hold, with the reason in the log."""
        try:
            claims = self._tickets.read(handler.get_argument("code", ""))
            await self._use_up(claims["once"])  # first: a ticket that is refused, and so logged, is worthless already
            _check_state(claims["state"], handler.get_cookie(_STATE_COOKIE, ""))
        except BadTicketError as error:
            self.log.warning("sign-in refused: %s", error)
            return None
        return claims["name"]

    async def refresh_user(self, user: User, handler: BaseHandler | None = None) -> bool:
        """Whether the front door still vouches for this person; if not, all browsers need a new ticket.

        Those that are still signed in at the front door get one without noticing.
        """
        try:
            if not await was_signed_out(self._redis, user.name):
                return True
        except RedisError as error:
            self.log.warning("whether %s was signed out is not known: %s", user.name, error)
            return True  # the word stays there until it can be read
        user.orm_user.cookie_id = new_token()
        for token in user.orm_user.api_tokens:
            if token.session_id:  # what a browser was given at a notebook server, not what the person made
                user.db.delete(token)
        user.db.commit()
        return False

    async def _use_up(self, once: str) -> None:
        """Remember the ticket for as long as it could be shown again."""
        first = await self._redis.set(f"portal.ticket.{once}", 1, ex=2 * HUB_TICKET_SECONDS, nx=True)
        if not first:
            raise BadTicketError("the ticket was used before")


def _check_state(claimed: str, kept: str) -> None:
    if not kept or not hmac.compare_digest(claimed.encode(), kept.encode()):
        raise BadTicketError("the ticket was made for another browser")
