"""The place in a connection's scope where the application finds its session."""

from __future__ import annotations

import typing

from starlette.requests import HTTPConnection

from starsessions.guard import LoadGuard, Session

if typing.TYPE_CHECKING:
    from starlette.types import Scope

__all__ = ["SessionSlot"]


class SessionSlot:
    """Keeps `scope["session"]`: unloaded first, then with data, perhaps replaced by the application."""

    _scope: Scope
    _connection: HTTPConnection | None = None
    _session: dict[str, typing.Any] | None = None  # what this slot has put into the scope

    @property
    def connection(self) -> HTTPConnection:
        """The request or WebSocket."""
        if self._connection is None:
            self._connection = HTTPConnection(self._scope)
        return self._connection

    @property
    def session(self) -> dict[str, typing.Any]:
        """The session as the application sees it, loaded or not."""
        # Another SessionMiddleware further in puts its own handler and session into the same scope.
        scope = self._scope
        if scope.get("session_handler", self) is self or self._session is None:
            return scope["session"]  # type: ignore[no-any-return]  # a scope holds anything
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
        guard = self._scope.get("session") if self._session is None else None
        if not isinstance(guard, LoadGuard):
            guard = self._scope["session"] = LoadGuard()
        self._session = guard
        return guard

    def _accept(self) -> dict[str, typing.Any]:
        """Take what the application has made of the session for the session, now that it is stored."""
        session = self._session = self.session
        if isinstance(session, Session) and session.is_wiped:
            session.is_wiped = False
        return session
