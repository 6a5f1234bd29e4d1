"""The ASGI middleware that gives every request and WebSocket a session."""

from __future__ import annotations

import typing
import warnings

from starlette.requests import HTTPConnection
from starlette.websockets import WebSocketDisconnect

from starsessions.autoload import SessionAutoloadMiddleware
from starsessions.cookies import Cookie, add_headers
from starsessions.encryptors import NoopEncryptor
from starsessions.guard import LoadGuard
from starsessions.handler import SessionHandler
from starsessions.lifetime import parse_lifetime
from starsessions.serializers import JsonSerializer
from starsessions.stores import InMemoryStore

if typing.TYPE_CHECKING:
    import datetime as dt

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from starsessions.encryptors import Encryptor
    from starsessions.serializers import Serializer
    from starsessions.stores import SessionStore

__all__ = ["LoadGuard", "SessionAutoloadMiddleware", "SessionMiddleware"]

# The messages that carry the response's headers: an answer, a WebSocket's handshake, its refusal.
_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})


class SessionMiddleware:
    """Give every request and WebSocket a session.

    store: where sessions are kept; without one they stay in this process, with a warning.
    lifetime: seconds or a timedelta until the session ends; 0 leaves that to the browser.
    rolling: count the lifetime from the last use instead of from the creation.
    cookie_name, cookie_same_site, cookie_https_only, cookie_domain, cookie_path: the cookie's attributes,
    checked here. By default the path is the one the application is mounted at.
    serializer: how data becomes bytes; JSON by default.
    encryptor: how stored data is kept secret; by default it is not.
    strict_ids: give a new id to a session whose id the store does not know, so that nobody can choose the id
    that a visitor will sign in with. Switch it off only if ids come from elsewhere before their data does.
    """

    def __init__(
        self,
        app: ASGIApp,
        store: SessionStore | None = None,
        lifetime: int | dt.timedelta = 0,
        rolling: bool = False,
        cookie_name: str = "session",
        cookie_same_site: typing.Literal["lax", "strict", "none"] = "lax",
        cookie_https_only: bool = True,
        cookie_domain: str | None = None,
        cookie_path: str | None = None,
        serializer: Serializer | None = None,
        encryptor: Encryptor | None = None,
        *,
        strict_ids: bool = True,
    ) -> None:
        self.app = app
        self.store = _default_store() if store is None else store
        self.lifetime = parse_lifetime(lifetime)
        self.rolling = rolling
        self.cookie_name = cookie_name
        self.cookie_domain = cookie_domain
        self.cookie_path = cookie_path
        self.serializer = serializer or JsonSerializer()
        self.encryptor = encryptor or NoopEncryptor()
        self.strict_ids = strict_ids
        self.cookie = Cookie(cookie_name, cookie_same_site, cookie_https_only, cookie_domain, cookie_path)
        self.security_flags = self.cookie.security_flags

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection; anything but HTTP and WebSockets passes through."""
        kind = scope["type"]
        if kind not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        handler = self._handler(scope)
        # Starlette's Mount changes the root path while the request runs; the cookie is for the whole application.
        sender = _Sender(handler, send, self.cookie, scope.get("root_path", ""))
        if kind == "http":
            await self.app(scope, receive, sender)
        else:
            await self._serve_websocket(scope, receive, sender)

    async def _serve_websocket(self, scope: Scope, receive: Receive, sender: _Sender) -> None:
        try:
            await self.app(scope, receive, sender)
        except WebSocketDisconnect:  # the usual end of a conversation, not a failure of the application
            await sender.handler.commit_late()
            raise
        await sender.handler.commit_late()

    def _handler(self, scope: Scope) -> SessionHandler:
        return SessionHandler(
            HTTPConnection(scope),
            None,
            self.store,
            self.serializer,
            self.encryptor,
            self.lifetime,
            rolling=self.rolling,
            strict_ids=self.strict_ids,
            cookie=self.cookie,
        )


class _Sender:
    """The `send` that the application gets: stores the session before the first headers leave."""

    __slots__ = ("_cookie", "_root_path", "_send", "_started", "handler")

    def __init__(self, handler: SessionHandler, send: Send, cookie: Cookie, root_path: str) -> None:
        self.handler = handler
        self._send = send
        self._cookie = cookie
        self._root_path = root_path
        self._started = False

    async def __call__(self, message: Message) -> None:
        if not self._started and message["type"] in _STARTS:
            self._started = True  # set first: if storing fails, the error response must not try it again
            if self.handler.is_used:
                await self._add_session(message)
            self.handler.response_started = True
        await self._send(message)

    async def _add_session(self, message: Message) -> None:
        change = await self.handler.commit()
        path = self._cookie.path_for(self._root_path)
        add_headers(message, None if change is None else self._cookie.header(change, path))


def _default_store() -> InMemoryStore:
    warnings.warn(
        "SessionMiddleware got no store: sessions stay in the memory of this process, are lost when it ends, and "
        "are not shared with other workers. Pass store=RedisStore(...), CookieStore(...) or InMemoryStore().",
        UserWarning,
        stacklevel=3,
    )
    return InMemoryStore()
