"""Protection of the front door's forms against requests forged by other sites."""

import hmac
import secrets
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from fastapi import Form, HTTPException, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from portal.identity import Visitor
from portal.settings import front_door_settings
from portal.web.pages import filesize

_LARGEST_FORM: Final = 16_000  # bytes: name, password, token and an address, each percent-encoded
FORM_TOKEN: Final = "form_token"  # noqa: S105 - the name of a form field


def form_token(session: dict[str, Any]) -> str:
    """The token that this session's forms carry; made on first use."""
    return str(session.setdefault(FORM_TOKEN, secrets.token_urlsafe(32)))


def renew_form_token(session: dict[str, Any]) -> None:
    """Forget the old token: forms shown before sign-in do not act for the person who signed in."""
    session[FORM_TOKEN] = secrets.token_urlsafe(32)


def require_own_form(request: Request, form_token: Annotated[str, Form()] = "") -> None:
    """Let a POST through only if it comes from a form that this session was shown.

    Raises:
        HTTPException: 403 when the token is missing or wrong, or the browser names another origin.
    """
    expected = str(request.session.get(FORM_TOKEN, ""))
    if not expected or not hmac.compare_digest(expected.encode(), form_token.encode()):
        raise HTTPException(403, "This form has expired. Go back, reload the page and send it again.")
    origin = request.headers.get("origin")
    if origin is not None and not same_origin(origin, front_door_settings().public_url):
        raise HTTPException(403, "This form was sent from another site.")


def same_origin(one: str, other: str) -> bool:
    """Whether two addresses agree in scheme, host and port; an address that is none agrees with nothing."""
    try:
        left, right = urlsplit(one), urlsplit(other)
    except ValueError:
        return False
    return (left.scheme, left.netloc) == (right.scheme, right.netloc)


def check_length(request: Request, most: int) -> None:
    """Refuse a body before any of it is read.

    Raises:
        HTTPException: 411 or 413, the body does not say its length, or is longer than `most` bytes.
    """
    if "transfer-encoding" in request.headers:
        raise HTTPException(411, "Send the form with its length.")
    if int(request.headers.get("content-length", 0)) > most:
        raise HTTPException(413, f"This is more than can be sent here at once: {filesize(most)}.")


class SmallForms(APIRoute):
    """A route of the front door's own forms: what is longer than they can be is not even read.

    FastAPI reads a form before it asks any dependency, and keeps the files of a multipart form on disk.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The usual handler, behind a look at the length."""
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            check_length(request, _LARGEST_FORM)
            return await handle(request)

        return guarded


def visitor_of(session: dict[str, Any]) -> Visitor | None:
    """The person this session belongs to, if anybody has signed in."""
    person = session.get("visitor")
    return Visitor(**person) if person else None


def local_path(target: str) -> str:
    """`target` if it is a path of this site, else the home page: no redirect leads elsewhere."""
    is_local = target.startswith("/") and not target.startswith(("//", "/\\"))
    return target if is_local and target.isprintable() else "/"
