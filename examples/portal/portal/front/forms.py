"""Protection of the front door's forms against requests forged by other sites."""

import hmac
import secrets
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from fastapi import Form, HTTPException, Request

from portal.identity import Visitor
from portal.settings import site_settings

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
    if origin is not None and not same_origin(origin, site_settings().public_url):
        raise HTTPException(403, "This form was sent from another site.")


def same_origin(one: str, other: str) -> bool:
    """Whether two addresses agree in scheme, host and port."""
    left, right = urlsplit(one), urlsplit(other)
    return (left.scheme, left.netloc) == (right.scheme, right.netloc)


def visitor_of(session: dict[str, Any]) -> Visitor | None:
    """The person this session belongs to, if anybody has signed in."""
    person = session.get("visitor")
    return Visitor(**person) if person else None


def local_path(target: str) -> str:
    """`target` if it is a path of this site, else the home page: no redirect leads elsewhere."""
    parts = urlsplit(target)
    is_local = target.startswith("/") and not target.startswith(("//", "/\\")) and not parts.netloc
    return target if is_local and target.isprintable() else "/"
