"""Signing in and out."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from portal.front.forms import SmallForms, local_path, renew_form_token, require_own_form, visitor_of
from portal.front.pages import page
from portal.front.sign_in_limit import KNOWN_BROWSER_COOKIE, KNOWN_BROWSER_SECONDS, SignInLimit
from portal.identity import Visitor
from starsessions import users

router = APIRouter(route_class=SmallForms)


@router.get("/sign-in")
async def sign_in_form(request: Request, next: str = "/") -> Response:  # noqa: A002 - the field's usual name
    """The sign-in form; somebody who is signed in already goes straight on."""
    if visitor_of(request.session):
        return RedirectResponse(local_path(next), status_code=303)
    return _form(request, next)


@router.post("/sign-in", dependencies=[Depends(require_own_form)])
async def sign_in(
    request: Request,
    name: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",  # noqa: A002 - the field's usual name
) -> Response:
    """Check name and password and open a session under a new id."""
    limit: SignInLimit = request.app.state.sign_in_limit
    name = name.strip()[:64]
    who = (name, request.client.host if request.client else "", request.cookies.get(KNOWN_BROWSER_COOKIE, ""))
    if not await limit.allows(*who):
        return _form(request, next, name, "Too many tries. Wait five minutes.", status=429)
    account = await run_in_threadpool(request.app.state.accounts.check, name, password[:256])
    if account is None:
        return _form(request, next, name, "This name and password do not go together.", status=401)
    await limit.forget(*who)
    await _open_session(request, account.visitor)
    response = RedirectResponse(local_path(next), status_code=303)
    _remember_browser(response, limit.know(name), secure=request.app.state.settings.cookie_https_only)
    return response


def _remember_browser(response: Response, value: str, *, secure: bool) -> None:
    response.set_cookie(
        KNOWN_BROWSER_COOKIE, value, max_age=KNOWN_BROWSER_SECONDS, path="/sign-in", secure=secure, httponly=True,
        samesite="strict",
    )  # fmt: skip


@router.post("/sign-out", dependencies=[Depends(require_own_form)])
async def sign_out(request: Request) -> Response:
    """Destroy the session; a visitor who was at the notebooks is signed out there too."""
    response = leave(request)
    await users.sign_out(request)
    return response


def leave(request: Request) -> Response:
    """The way out for somebody whose session ends with this request: by the hub, for those who were there."""
    was_at_hub = request.session.get("was_at_hub", False)
    target = f"{request.app.state.settings.hub_url}/hub/logout" if was_at_hub else "/signed-out"
    return RedirectResponse(target, status_code=303)


@router.get("/signed-out")
async def signed_out(request: Request) -> Response:
    """What a visitor sees after signing out."""
    text = "Your session on this computer has ended."
    return page(request, "message.html", title="You are signed out", text=text)


async def _open_session(request: Request, visitor: Visitor) -> None:
    """Remember who this is, under an id and a form token that nobody saw before the password was right."""
    await users.sign_in(request, visitor.name)
    request.session["visitor"] = asdict(visitor)
    renew_form_token(request.session)


def _form(request: Request, next_page: str, name: str = "", problem: str = "", *, status: int = 200) -> Response:
    return page(
        request, "sign_in.html", status=status, has_form=True, next_page=local_path(next_page), name=name,
        problem=problem,
    )  # fmt: skip
