"""A visitor's notebook server, as the hub tells the front door."""

import logging
from dataclasses import dataclass
from typing import Final

import httpx

from portal.identity import SERVER_TICKET_SCHEME, Visitor, server_tickets
from portal.settings import SiteSettings

_DEADLINE: Final = 2.0  # seconds; the page does without it
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OwnServer:
    """How a server is; each text is empty where there is nothing to say."""

    state: str
    """`ready`, or what is under way: `spawn`, `stop`, `check`."""
    time_left: str
    """In words, as `59 minutes`."""
    last_end: str
    """Why the last server ended that nobody stopped: the rest of a sentence."""


class OwnServers:
    """Asks the hub."""

    def __init__(self, settings: SiteSettings, client: httpx.AsyncClient) -> None:
        self._url = f"{settings.hub_url}/hub/portal-server"
        self._tickets = server_tickets(settings.signing_keys)
        self._client = client

    async def of(self, visitor: Visitor) -> OwnServer | None:
        """The visitor's server; None while the hub does not answer."""
        headers = {"Authorization": f"{SERVER_TICKET_SCHEME} {self._tickets.issue(name=visitor.name)}"}
        try:
            answer = await self._client.get(self._url, headers=headers, timeout=_DEADLINE)
            answer.raise_for_status()
            told = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            _log.error("The hub does not say how a visitor's server is: %s", type(error).__name__)
            return None
        return OwnServer(told["state"], told["time_left"], told["last_end"])
