"""Middleware of the catalogue: who the front door says is visiting, and the portal's response headers."""

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import eventsourcing.persistence
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse

from django_minio_backend.errors import ServerUnreachable
from portal.catalogue.datasets.pages import away, not_this_way
from portal.catalogue.event_browser.user import User
from portal.identity import IDENTITY_HEADER, IdentityHeader, Visitor
from portal.settings import RELEASE_HEADER, catalogue_settings
from portal.tickets import BadTicketError
from portal.web.headers import security_headers

_log = logging.getLogger(__name__)
# What eventsourcing raises for a database that is away has Django's error as its cause.
_AWAY: Final = (InterfaceError, OperationalError, eventsourcing.persistence.OperationalError, ServerUnreachable)
Next = Callable[[HttpRequest], HttpResponse]


def visitor_from_front_door(get_response: Next) -> Next:
    """Set `request.visitor` to the person the front door vouches for, or to None, and `request.user` to the same.

    The catalogue keeps no sessions: each request carries a header that the front door signed for it. A header
    that does not hold is treated as no header, and logged.
    """
    header = IdentityHeader(catalogue_settings().signing_keys)

    def middleware(request: HttpRequest) -> HttpResponse:
        visitor, form_token = _identify(header, request)
        request.visitor, request.form_token = visitor, form_token  # type: ignore[attr-defined]
        request.user = User(visitor.name, visitor.is_curator) if visitor else User("")  # type: ignore[assignment]
        return get_response(request)

    return middleware


def _identify(header: IdentityHeader, request: HttpRequest) -> tuple[Visitor | None, str]:
    value = request.headers.get(IDENTITY_HEADER)
    if value is None:
        return None, ""
    try:
        return header.read(value, request.method or "", request.path)
    except BadTicketError as error:
        _log.warning("%s %s: identity header refused: %s", request.method, request.path, error)
        return None, ""


def refused_method_page(get_response: Next) -> Next:
    """Give the empty answer 405 of Django's decorators a page; which methods there are stays in its header."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if response.status_code != HTTPStatus.METHOD_NOT_ALLOWED or response.content:
            return response
        shown = not_this_way(request)
        shown.headers["Allow"] = response.headers["Allow"]
        return shown

    return middleware


class AwayPage:
    """Answer 503 in place of 500 while the database or the S3 server does not answer."""

    def __init__(self, get_response: Next) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on."""
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """The page, if that is what went wrong; the log has the reason."""
        if not isinstance(exception, _AWAY):
            return None
        _log.warning("%s %s: %s: %s", request.method, request.path, type(exception).__name__, exception)
        return away(request)


def portal_headers(get_response: Next) -> Next:
    """Give every answer the portal's security headers, and tell members which release answered them.

    Pages differ by visitor, so no shared cache may keep them.
    """
    headers = security_headers(catalogue_settings())

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Cache-Control", "no-store")
        if getattr(request, "visitor", None):
            response.headers[RELEASE_HEADER] = str(settings.CATALOGUE_RELEASE)
        return response

    return middleware
