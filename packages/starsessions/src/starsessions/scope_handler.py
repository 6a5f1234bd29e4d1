"""The handler that the middleware makes: it costs next to nothing until somebody asks for the session."""

from __future__ import annotations

import typing

from starsessions import events
from starsessions.commit import commit
from starsessions.cookies import add_headers
from starsessions.guard import UNLOADED, Unloaded
from starsessions.handler import SessionHandler

if typing.TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Message, Scope, Send

    from starsessions.cookies import CookieChange
    from starsessions.middleware import SessionMiddleware

__all__ = ["ScopeHandler"]

# The messages that carry the response's headers: an answer, a WebSocket's handshake, its refusal.
_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})
_SERVER_ERROR = 500
_UNREAD: typing.Any = object()  # the id in a cookie that was not looked at yet


class ScopeHandler(SessionHandler):
    """The handler of a scope."""

    __init__ = object.__init__  # one in Python would make an instance twice as dear
    middleware: SessionMiddleware
    _is_starting: bool
    _root_path: str
    _id: str | None

    def enter(self, middleware: SessionMiddleware, scope: Scope, send: Send) -> Callable[[Message], Awaitable[None]]:
        """Put the handler and an unloaded session into a scope; return the `send` that the application gets."""
        self.middleware, self.records = middleware, middleware.records
        self._scope, self._send, self._headers = scope, send, scope["headers"]
        # Starlette's Mount changes it while the request runs; the cookie is for the whole application.
        self._root_path = scope.get("root_path", "")
        self._session = scope["session"] = Unloaded(UNLOADED)
        scope["session_handler"] = self
        self.metadata = self.document = self.committed = None
        self.is_loaded = self.is_used = self.response_started = self._is_starting = False
        self._id = _UNREAD
        return self.send

    @property
    def _stored_id(self) -> str | None:
        """The id that the request brought, read when it is first asked for, or what it has become since."""
        if self._id is _UNREAD:
            self._id = self._read_id()
        return self._id

    @_stored_id.setter
    def _stored_id(self, value: str | None) -> None:
        self._id = value

    def _read_id(self) -> str | None:
        found = self.middleware.cookie.read(self._headers)
        if found is None or self.records.store.accepts_id(found):
            return found
        events.cookie_rejected("it does not have the form of a session id")
        return None

    # Not a coroutine function: most messages are only passed on, and for every request.
    def send(self, message: Message) -> Awaitable[None]:
        """Send a message of the application's; before one that starts the response, store the session if need be."""
        if self.response_started or message["type"] not in _STARTS:
            return self._send(message)
        if self.is_used and not self._is_starting:
            self._is_starting = True  # set first: if storing fails, the error response must not try it again
            return self._start(message)
        self.response_started = True
        return self._send(message)

    def _start(self, message: Message) -> Awaitable[None]:
        """Store the session if that is necessary, then send the message that starts the response."""
        middleware = self.middleware
        if middleware.save_on_server_error or message.get("status", 200) < _SERVER_ERROR:
            storing = commit(self)
            if storing is not None:
                return self._start_after(storing, message)
        add_headers(message, None, no_store=middleware.no_store)
        self.response_started = True
        return self._send(message)

    async def _start_after(self, storing: Awaitable[CookieChange | None], message: Message) -> None:
        change, cookie, header = await storing, self.middleware.cookie, None
        if change is not None:
            header = cookie.header(change, cookie.path_for(self._root_path))
        add_headers(message, header, no_store=self.middleware.no_store)
        self.response_started = True
        await self._send(message)
