"""What the front door may ask of the hub: how a visitor's server is. It shows its name by a ticket."""

import json

from jupyterhub.handlers import BaseHandler
from tornado import web

from portal.identity import SERVER_TICKET_SCHEME, server_tickets
from portal.settings import shared_settings
from portal.tickets import BadTicketError


class VisitorsServer(BaseHandler):
    """`GET /hub/portal-server`, for the visitor whom the ticket names."""

    def get(self) -> None:
        """State, time that is left and why the last server ended, in words; empty where there is nothing to say."""
        user = self.find_user(self._visitor())
        told = {"state": "", "time_left": "", "last_end": ""}
        if user is not None:
            spawner = user.spawner
            state = "ready" if spawner.ready else (spawner.pending or "")
            told = {"state": state, "time_left": spawner.time_left, "last_end": spawner.last_end}
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps(told))

    def _visitor(self) -> str:
        # in this header, because the hub keeps it out of its log
        ticket = self.request.headers.get("Authorization", "").removeprefix(f"{SERVER_TICKET_SCHEME} ")
        try:
            return server_tickets(shared_settings().signing_keys).read(ticket)["name"]
        except BadTicketError as error:
            raise web.HTTPError(403, str(error)) from None
