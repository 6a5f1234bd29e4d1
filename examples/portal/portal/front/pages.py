"""Rendering of the front door's own pages."""

from typing import Any

from fastapi import Request
from starlette.responses import HTMLResponse, Response

from portal.front.forms import form_token, visitor_of
from portal.settings import front_door_settings
from portal.web.pages import environment

_jinja = environment(static_url=front_door_settings().static_url)


def page(request: Request, template: str, *, status: int = 200, **context: Any) -> Response:
    """A page for this visitor.

    Pages differ by visitor, so no shared cache may keep them.
    """
    visitor = visitor_of(request.session)
    token = form_token(request.session) if visitor or context.get("has_form") else ""
    return _rendered(request, template, status, visitor=visitor, form_token=token, **context)


def bare_page(request: Request, template: str, *, status: int, **context: Any) -> Response:
    """A page for nobody in particular: where something broke, the session may be what did."""
    return _rendered(request, template, status, visitor=None, form_token="", **context)


def _rendered(request: Request, template: str, status: int, **context: Any) -> Response:
    html = _jinja.get_template(template).render(path=request.url.path, **context)
    return HTMLResponse(html, status_code=status, headers={"Cache-Control": "no-store"})
