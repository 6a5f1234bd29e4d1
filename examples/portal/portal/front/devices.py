"""Where a visitor is signed in, and the buttons that end it: there, everywhere else, everywhere."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from portal.front.forms import SmallForms, require_own_form, visitor_of
from portal.front.pages import page
from portal.front.signin import leave
from portal.hub_sign_out import sign_out_of_hub
from starsessions.users import (
    UserSession,
    get_user_id,
    list_sessions,
    revoke_all_sessions,
    revoke_other_sessions,
    revoke_session,
)

router = APIRouter(prefix="/devices", route_class=SmallForms)
_SAID: Final = {
    "one": "That browser is signed out.",
    "none": "That browser was not signed in any more.",
    "others": "All other browsers are signed out.",
}


@router.get("")
async def devices(request: Request, ended: str = "") -> Response:
    """The browsers in which this visitor is signed in, this one first."""
    visitor = visitor_of(request.session)
    if visitor is None:
        return RedirectResponse("/sign-in?next=/devices", status_code=303)
    sessions = await list_sessions(request, visitor.name)
    sessions.sort(key=lambda session: not session.current)
    return page(request, "devices.html", sessions=[_shown(one) for one in sessions], said=_SAID.get(ended, ""))


@router.post("/end", dependencies=[Depends(require_own_form)])
async def end_one(request: Request, handle: Annotated[str, Form()] = "") -> Response:
    """Sign one browser out."""
    existed = await revoke_session(request, get_user_id(request), handle)
    await _leave_hub(request)
    return RedirectResponse(f"/devices?ended={'one' if existed else 'none'}", status_code=303)


@router.post("/end-others", dependencies=[Depends(require_own_form)])
async def end_others(request: Request) -> Response:
    """Sign every other browser out."""
    await revoke_other_sessions(request)
    await _leave_hub(request)
    return RedirectResponse("/devices?ended=others", status_code=303)


@router.post("/end-all", dependencies=[Depends(require_own_form)])
async def end_all(request: Request) -> Response:
    """Sign every browser out, this one too."""
    await _leave_hub(request)
    response = leave(request)
    await revoke_all_sessions(request, get_user_id(request))
    return response


async def _leave_hub(request: Request) -> None:
    """Browsers that are still signed in here enter the hub again by a ticket, without noticing."""
    user = get_user_id(request)
    if user is not None:
        await sign_out_of_hub(request.app.state.redis, user)


def _shown(session: UserSession) -> dict[str, Any]:
    return {
        "handle": session.handle,
        "device": session.device[:1].upper() + session.device[1:],
        "current": session.current,
        "since": datetime.fromtimestamp(session.created, UTC),
        "seen": datetime.fromtimestamp(session.last_seen, UTC),
    }
