"""Whose uploads are received: the user of the request under way, or the session of an anonymous visitor."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from contextvars import ContextVar
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.utils.decorators import sync_and_async_middleware

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.http import HttpRequest, HttpResponseBase

__all__ = ["ANONYMOUS", "PATH", "current_request", "direct_uploads", "owner_of", "serving", "visitor_of"]

PATH = "django_minio_backend.uploads.middleware.direct_uploads"
ANONYMOUS = ""
"""The visitor of a page who is not logged in: no session is begun for showing a form."""

_request: ContextVar[HttpRequest | None] = ContextVar("direct_uploads_request", default=None)


@sync_and_async_middleware
def direct_uploads(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Let the form fields know whose request it is. It stands after the session's and the user's middleware."""
    if iscoroutinefunction(get_response):

        async def answer_later(request: HttpRequest) -> HttpResponseBase:
            with serving(request):
                response: HttpResponseBase = await get_response(request)
                return response

        return answer_later

    def answer(request: HttpRequest) -> HttpResponseBase:
        with serving(request):
            response: HttpResponseBase = get_response(request)
            return response

    return answer


@contextmanager
def serving(request: HttpRequest) -> Iterator[None]:
    """Let fields inside the block know the request; for code that handles forms where no middleware runs."""
    token = _request.set(request)
    try:
        yield
    finally:
        _request.reset(token)


def current_request() -> HttpRequest | None:
    """Return the request under way, or None outside of one."""
    return _request.get()


def visitor_of(request: HttpRequest) -> str:
    """Return who sees a page: a user, or ANONYMOUS."""
    user = getattr(request, "user", None)
    return f"user:{user.pk}" if user is not None and user.is_authenticated else ANONYMOUS


def owner_of(request: HttpRequest, *, begin_session: bool = False) -> str:
    """Return whom an upload belongs to: a user, else a session, without showing the session's key.

    Returns ANONYMOUS, which owns nothing, for a visitor without a session, unless one shall begin. Raises
    ImproperlyConfigured if there are no sessions.
    """
    if visitor := visitor_of(request):
        return visitor
    session = getattr(request, "session", None)
    if session is None:
        raise ImproperlyConfigured(
            "Direct uploads of visitors who are not logged in are bound to their session: add "
            "'django.contrib.sessions.middleware.SessionMiddleware' to MIDDLEWARE, before direct_uploads."
        )
    if begin_session and not session.session_key:
        session.create()
    key = session.session_key
    return f"session:{hashlib.sha256(key.encode()).hexdigest()}" if key else ANONYMOUS
