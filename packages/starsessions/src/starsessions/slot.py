"""The place in a connection's scope where the application finds its session."""

from __future__ import annotations

import typing
import weakref
from collections.abc import Mapping

from starlette.requests import HTTPConnection

from starsessions.exceptions import SessionError
from starsessions.guard import LoadGuard, Session

if typing.TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Message, Scope, Send

    from starsessions.handler import SessionHandler

__all__ = ["SessionSlot"]


async def _refuse_to_send(message: Message) -> None:
    raise RuntimeError(f"The request has ended: {message['type']!r} cannot be sent any more.")


def _checked(found: typing.Any) -> dict[str, typing.Any]:
    """Return what the application has put in the place of its session, if that can be one."""
    if not isinstance(found, Mapping):
        raise SessionError(
            f"scope['session'] holds a {type(found).__name__} where the application found its session. "
            "Put a dictionary there; to end a session, call `request.session.clear()`."
        )
    return typing.cast("dict[str, typing.Any]", found)


class SessionSlot:
    """Keeps `scope["session"]`: unloaded first, then with data, perhaps replaced by the application."""

    _scope: Scope | None  # None when the request has ended
    _headers: typing.Any  # the request's, which are still of use then
    _send: Send  # where messages go; servers' lead to the scope
    _session: dict[str, typing.Any] | None  # what this slot has put into the scope
    committed: dict[str, typing.Any] | None  # what the session was when the response started
    _connection: HTTPConnection | None = None
    _left: Callable[[], dict[str, typing.Any] | None]  # finds the session when the request has ended

    @property
    def connection(self) -> HTTPConnection:
        """The request or WebSocket; only its headers are left when it has ended."""
        if self._connection is None:
            self._connection = HTTPConnection(self._scope or {"type": "http", "headers": self._headers})
        return self._connection

    @property
    def session(self) -> dict[str, typing.Any]:
        """The session as the application sees it, loaded or not."""
        return self.current()

    def current(self) -> dict[str, typing.Any]:
        """Return the session as the application sees it, loaded or not: what `session` is.

        Raises SessionError if the application has put something else in its place.
        """
        scope, own = self._scope, self._session
        if scope is None:
            return self._found_again()
        found: typing.Any = scope.get("session")
        if own is not None and found is own:
            return own
        # Another SessionMiddleware further in puts its own handler and session into the same scope.
        if own is None or scope.get("session_handler", self) is self:
            return _checked(found)
        return own

    def leave(self) -> None:
        """Let go of the scope, which holds this handler, when the request has ended.

        Otherwise both would stay in memory until the garbage collector comes.
        """
        self._scope, self._send = None, _refuse_to_send

    def leave_loaded(self, session: dict[str, typing.Any]) -> None:
        """Let go of a loaded session too, which holds this handler as well and has not changed since `committed`."""
        if isinstance(session, Session) and session is self._session:
            self._left = weakref.ref(session)
            self._session = self._connection = None
            self.leave()

    def _found_again(self) -> dict[str, typing.Any]:
        """Return the session after the request has ended, for a task that outlives it."""
        if self._session is None:
            session = self._left()
            if session is None:  # nobody has it any more, so nobody has changed it since
                handler = typing.cast("SessionHandler", self)
                session = handler.records.session_class(self.committed, handler)
            self._session = session
        return self._session

    @property
    def is_replaced(self) -> bool:
        """Whether the application has put another dictionary into the scope."""
        return self.session is not self._session

    @property
    def is_wiped(self) -> bool:
        """Whether the application has thrown away what was in the session, whatever it was."""
        return self._is_wiped(self.session)

    def _is_wiped(self, session: dict[str, typing.Any]) -> bool:
        return session is not self._session or (isinstance(session, Session) and session.is_wiped)

    def _fresh_guard(self) -> LoadGuard:
        """Return the unloaded session that is in the scope, put there if there is none."""
        scope = typing.cast("Scope", self._scope)  # what is not loaded keeps its guard when the request ends
        guard = scope.get("session") if self._session is None else None
        if not isinstance(guard, LoadGuard):
            guard = scope["session"] = LoadGuard()
        self._session = guard
        return guard

    def _accept(self) -> dict[str, typing.Any]:
        """Take what the application has made of the session for the session, now that it is stored."""
        session = self._session = self.session
        if isinstance(session, Session) and session.is_wiped:
            session.is_wiped = False
        return session
