"""The handler that the middleware makes: it costs next to nothing until somebody asks for the session."""

from __future__ import annotations

import functools
import typing

from starsessions.guard import LoadGuard, lock
from starsessions.handler import SessionHandler

if typing.TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Scope

    from starsessions.cookies import Cookie
    from starsessions.records import Records

__all__ = ["ScopeHandler", "new_handler"]


_new_guard = dict.__new__


class _FoundOnce:
    """As functools.cached_property, without the lock that it takes on Python 3.11."""

    def __init__(self, find: Callable[[typing.Any], typing.Any]) -> None:
        self._find = find

    def __get__(self, handler: ScopeHandler | None, owner: type[ScopeHandler]) -> typing.Any:
        if handler is None:
            return self
        value = self._find(handler)
        setattr(handler, self._find.__name__, value)  # it takes the place of this descriptor
        return value


class ScopeHandler(SessionHandler):
    """The handler of a scope, made by `new_handler`. The id is read from the cookie when it is needed."""

    _cookie: Cookie

    def enter(self, scope: Scope, records: Records, cookie: Cookie, strict_ids: bool) -> None:
        """Put the handler and an unloaded session into a scope."""
        self.records = records
        self._scope = scope
        self._strict_ids = strict_ids
        self._cookie = cookie
        self._session = guard = _new_guard(LoadGuard)
        lock(guard)
        scope["session"] = guard
        scope["session_handler"] = self

    @_FoundOnce
    def _stored_id(self) -> str | None:  # may be assigned, as the one of the base class
        return self._cookie.read_id(self._scope, self.records.store.accepts_id)


# Every request pays for this: there is no __init__ because that would make an instance twice as dear.
new_handler = functools.partial(object.__new__, ScopeHandler)
