"""The way to the notebooks: a page about them, and the ticket that opens the hub.

The hub sends a visitor who is not signed in there to `/notebooks/ticket` with a random `state` that it also
keeps in a cookie. The front door answers with a one-time ticket that names the visitor and repeats the
state, so a ticket that somebody else obtained is of no use in this browser.
"""

import asyncio
import secrets
from urllib.parse import quote, urlencode

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import RedirectResponse, Response

from portal.front.forms import visitor_of
from portal.front.pages import page
from portal.identity import hub_tickets
from portal.notebook_profiles import PROFILES

router = APIRouter()


@router.get("/notebooks")
async def about_notebooks(request: Request, refused: str = "") -> Response:
    """What the notebooks are, with the button that leads to them; the hub sends those here whose ticket it refused."""
    state = request.app.state
    visitor = visitor_of(request.session)
    load, server = await asyncio.gather(state.board.load(), state.own_servers.of(visitor)) if visitor else ([], None)
    return page(
        request, "notebooks.html", hub_url=state.settings.hub_url, load=load, server=server, profiles=PROFILES,
        was_refused=bool(refused),
    )  # fmt: skip


@router.get("/notebooks/ticket")
async def ticket(request: Request, state: str = "", next: str = "/hub/home") -> Response:  # noqa: A002
    """Send a signed-in visitor back to the hub with a ticket; anybody else to the sign-in page first."""
    if not 16 <= len(state) <= 64 or not state.isascii() or not state.isalnum():
        raise HTTPException(400, "The notebooks must be entered through their own page.")
    visitor = visitor_of(request.session)
    if visitor is None:
        here = f"{request.url.path}?{urlencode({'state': state, 'next': next})}"
        return RedirectResponse(f"/sign-in?next={quote(here, safe='')}", status_code=303)
    request.session["was_at_hub"] = True
    settings = request.app.state.settings
    issued = hub_tickets(settings.signing_keys).issue(name=visitor.name, state=state, once=secrets.token_urlsafe(16))
    target = urlencode({"code": issued, "next": next})  # the hub keeps a `code` out of its log
    return RedirectResponse(f"{settings.hub_url}/hub/portal-ticket?{target}", status_code=303)
