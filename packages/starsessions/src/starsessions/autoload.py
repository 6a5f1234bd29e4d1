"""Loading the session without a call in every view."""

from __future__ import annotations

import re
import typing

from starlette.requests import HTTPConnection

from starsessions.exceptions import ImproperlyConfigured
from starsessions.session import load_session

if typing.TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["SessionAutoloadMiddleware"]


class SessionAutoloadMiddleware:
    """Load the session before the application runs; place it after (inside of) SessionMiddleware.

    `paths` are regular expressions, as texts or compiled, that are matched at the beginning of the path:
    `/app` matches `/app/1` and `/application`. Without them every session is loaded.
    Raises ImproperlyConfigured for a single pattern that is not in a list.
    """

    def __init__(self, app: ASGIApp, paths: typing.Sequence[str | re.Pattern[str]] | None = None) -> None:
        # A text would be taken for one pattern a letter, and "/" fits every path.
        if isinstance(paths, (str, re.Pattern)):
            raise ImproperlyConfigured(f"paths: a list of patterns is needed, such as [{paths!r}], not one alone.")
        self.app = app
        self.paths = [re.compile(path) for path in paths or ()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] in {"http", "websocket"}:
            connection = HTTPConnection(scope)
            if self.should_autoload(connection):
                await load_session(connection)
        await self.app(scope, receive, send)

    def should_autoload(self, connection: HTTPConnection) -> bool:
        """Tell whether the session of this connection is to be loaded. Override it for rules of your own."""
        if not self.paths:
            return True
        path = connection.scope["path"]  # the whole URL cannot be had if its query is no UTF-8
        return any(pattern.match(path) for pattern in self.paths)
