"""The handler that the middleware makes: it costs next to nothing until somebody asks for the session."""

from __future__ import annotations

import functools
import typing

from starsessions import events
from starsessions.commit import commit
from starsessions.cookies import add_headers
from starsessions.guard import UNLOADED, LoadGuard
from starsessions.handler import SessionHandler

if typing.TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.types import Message, Scope, Send

    from starsessions.middleware import SessionMiddleware

__all__ = ["ScopeHandler", "new_handler"]

# The messages that carry the response's headers: an answer, a WebSocket's handshake, its refusal.
_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})
_SERVER_ERROR = 500
_new_guard, _set = dict.__new__, dict.__setitem__


class _IdFromCookie:
    """The id that the request brought, read when it is first asked for."""

    def __get__(self, handler: ScopeHandler | None, owner: type[ScopeHandler]) -> typing.Any:
        if handler is None:
            return self
        found = handler.middleware.cookie.read(handler._scope)  # noqa: SLF001
        if found is not None and not handler.records.store.accepts_id(found):
            events.cookie_rejected("it does not have the form of a session id")
            found = None
        # It takes the place of this descriptor. functools.cached_property does so too, with a lock on Python 3.11.
        handler._stored_id = found  # noqa: SLF001
        return found


class ScopeHandler(SessionHandler):
    """The handler of a scope, made by `new_handler`; its `send` is the one that the application gets."""

    _passes_on = False  # the headers have left, or are about to
    _stored_id = _IdFromCookie()  # may be assigned, as the one of the base class

    def enter(self, middleware: SessionMiddleware, scope: Scope, send: Send) -> None:
        """Put the handler and an unloaded session into a scope."""
        self.records = middleware.records
        self.middleware = middleware
        self._scope = scope
        self._send = send
        # Starlette's Mount changes it while the request runs; the cookie is for the whole application.
        self._root_path = scope.get("root_path", "")
        self._session = scope["session"] = guard = _new_guard(LoadGuard)
        _set(guard, UNLOADED, None)
        scope["session_handler"] = self

    # No coroutine of its own: most messages are only passed on, and for every request.
    def send(self, message: Message) -> Awaitable[None]:
        """Pass a message on; before the headers leave, store the session."""
        if self._passes_on or message["type"] not in _STARTS:
            return self._send(message)
        self._passes_on = True  # set first: if storing fails, the error response must not try it again
        if self.is_used:
            return self._send_start(message)
        self.response_started = True
        return self._send(message)

    async def _send_start(self, message: Message) -> None:
        middleware = self.middleware
        change = None
        if middleware.save_on_server_error or message.get("status", 200) < _SERVER_ERROR:
            change = await commit(self)
        header = None
        if change is not None:
            header = middleware.cookie.header(change, middleware.cookie.path_for(self._root_path))
        add_headers(message, header, no_store=middleware.no_store)
        self.response_started = True
        await self._send(message)


# Every request pays for this: there is no __init__ because that would make an instance twice as dear.
new_handler = functools.partial(object.__new__, ScopeHandler)
