"""What `request.session` is before and after the session is loaded.

It is the same object, so that copies of the scope which were made in between see the data as well.
"""

from __future__ import annotations

import typing

from starsessions.exceptions import SessionNotLoaded

if typing.TYPE_CHECKING:
    from starsessions.handler import SessionHandler

__all__ = ["UNLOADED", "LoadGuard", "Session", "Unloaded"]

# An entry that keeps the C encoder of json, which asks for the size without calling __len__, from taking an
# unloaded session for an empty one.
UNLOADED: typing.Any = {object(): None}
_clear, _update = dict.clear, dict.update


class Session(dict[str, typing.Any]):
    """The data of a loaded session: a dictionary that can be saved."""

    __slots__ = ("__weakref__", "_handler", "is_wiped")

    def __init__(self, data: dict[str, typing.Any] | None = None, handler: SessionHandler | None = None) -> None:
        super().__init__(data or {})
        self._handler = handler
        self.is_wiped = False  # everything that was there before, seen or not, is to go

    async def save(self) -> str:
        """Store the session now and return its id; see SessionHandler.save."""
        if self._handler is None:
            raise SessionNotLoaded("The session is not loaded. " + SessionNotLoaded.solution)
        return await self._handler.save()

    # A copy, deep or by pickle, is a plain dictionary: the handler, and the store behind it, stay with the request.
    def __reduce__(self) -> tuple[typing.Any, ...]:
        return dict, (dict(self),)

    def clear(self) -> None:
        """Empty the session and sign its user out. Unless new data follows, the session ends with this request."""
        super().clear()
        self.is_wiped = True
        if self._handler is not None:
            self._handler.user_id = None


def _refuse(*_args: typing.Any, **_kwargs: typing.Any) -> typing.NoReturn:
    raise SessionNotLoaded("The session is not loaded. " + SessionNotLoaded.solution)


class LoadGuard(Session):
    """The session before it is loaded: every use raises SessionNotLoaded.

    Starlette looks for a method `mark_accessed` whenever `request.session` is evaluated; there is none, so
    merely naming the session is no error.
    """

    __slots__ = ()
    _handler: SessionHandler | None = None
    is_wiped = False

    def __init__(self) -> None:
        dict.__init__(self, UNLOADED)

    def become(self, data: dict[str, typing.Any], handler: SessionHandler) -> None:
        """Turn into a loaded session that holds `data` and is stored by `handler`."""
        _clear(self)
        _update(self, data)
        self.__class__ = handler.records.session_class  # type: ignore[assignment]
        self._handler = handler
        self.is_wiped = False

    def __repr__(self) -> str:
        return "<Session: not loaded>"

    __getitem__ = __setitem__ = __delitem__ = __contains__ = __iter__ = __reversed__ = __len__ = _refuse
    __eq__ = __ne__ = __or__ = __ror__ = __ior__ = __reduce__ = _refuse
    get = setdefault = pop = popitem = update = clear = copy = keys = values = items = _refuse
    __hash__ = None  # type: ignore[assignment]  # as for every dictionary


class Unloaded(LoadGuard):
    """A guard that is called with UNLOADED: an initialiser in Python would make it twice as dear, for every request."""

    __slots__ = ()
    __init__ = dict.__init__
