"""Rendering of the catalogue's pages, and who may see them."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import quote

from django.apps import apps
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from portal.catalogue.datasets.curation import Curation
from portal.identity import Visitor

View = Callable[..., HttpResponse]


def curation() -> Curation:
    """This process's curation application."""
    application: Curation = apps.get_app_config("datasets").curation  # type: ignore[attr-defined]
    return application


def visitor_of(request: HttpRequest) -> Visitor | None:
    """The person the front door vouches for."""
    visitor: Visitor | None = getattr(request, "visitor", None)
    return visitor


def page(request: HttpRequest, template: str, *, status: int = 200, **context: Any) -> HttpResponse:
    """A page in the portal's frame."""
    frame = {
        "visitor": visitor_of(request),
        "form_token": getattr(request, "form_token", ""),
        "path": request.path,
    }
    return render(request, template, frame | context, status=status)


def signed_in(view: View) -> View:
    """Send visitors who are not signed in to the front door's sign-in page, and back afterwards."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if visitor_of(request) is None:
            return HttpResponseRedirect(f"/sign-in?next={quote(request.get_full_path(), safe='')}")
        return view(request, *args, **kwargs)

    return guarded


def not_understood(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The page for a request that no page of ours leads to; the log has the reason."""
    text = "This address is not one that a page of the catalogue leads to."
    return page(request, "message.html", status=400, title="That did not work", text=text)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The page for an address that leads nowhere, or to what a stranger does not see."""
    text = "There is no page at this address."
    if visitor_of(request) is None:
        text += " If it is that of a data set in preparation, sign in first."
    return page(request, "message.html", status=404, title="Not found", text=text)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The page for something this visitor may not do."""
    text = str(exception) or "You may not do this."
    return page(request, "message.html", status=403, title="Not allowed", text=text)


def not_this_way(request: HttpRequest) -> HttpResponse:
    """The page for a method that an address does not take."""
    text = "This address does not take such a request. Open the page from the menu."
    return page(request, "message.html", status=405, title="That did not work", text=text)


def not_ours(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The page for a form that does not prove to be one of ours; the log has the reason."""
    text = "This form has expired. Go back, reload the page and send it again."
    return page(request, "message.html", status=403, title="That did not work", text=text)


def away(request: HttpRequest) -> HttpResponse:
    """The page for the time in which the database or the S3 server does not answer; nothing was half done."""
    text = "A part of the catalogue is away. Nothing was stored; try again in a moment."
    response = page(request, "message.html", status=503, title="Not just now", text=text)
    response.headers["Retry-After"] = "5"
    return response


def broken(request: HttpRequest) -> HttpResponse:
    """The page for a failure of ours; the log has the reason."""
    text = "The catalogue failed at this. It has been written down; try again in a moment."
    return page(request, "message.html", status=500, title="Something broke", text=text)
