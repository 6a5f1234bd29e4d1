"""The handler that the middleware makes: it costs next to nothing until somebody asks for the session."""

from __future__ import annotations

import functools
import typing

from starsessions.guard import LoadGuard
from starsessions.handler import SessionHandler

if typing.TYPE_CHECKING:
    from starlette.types import Scope

    from starsessions.cookies import Cookie
    from starsessions.records import Records

__all__ = ["ScopeHandler"]


class ScopeHandler(SessionHandler):
    """Puts itself and an unloaded session into a scope. The id is read from the cookie when it is needed."""

    def __init__(self, scope: Scope, records: Records, cookie: Cookie, *, strict_ids: bool) -> None:
        self.records = records
        self._scope = scope
        self._strict_ids = strict_ids
        self._cookie = cookie
        self._session = scope["session"] = LoadGuard()
        scope["session_handler"] = self

    @functools.cached_property
    def _stored_id(self) -> str | None:  # type: ignore[override]  # may be assigned, as the one of the base class
        return self._cookie.read_id(self._scope, self.store.accepts_id)
