"""What `request.session` is before and after the session is loaded.

It is the same object, so that copies of the scope which were made in between see the data as well.
"""

from __future__ import annotations

import typing

from starsessions.exceptions import SessionNotLoaded

__all__ = ["LoadGuard", "Session"]

# An entry that keeps the C encoder of json, which asks for the size without calling __len__, from taking an
# unloaded session for an empty one.
_UNLOADED = object()


class Session(dict[str, typing.Any]):
    """The data of a loaded session: a dictionary like any other."""


def _refuse(*_args: typing.Any, **_kwargs: typing.Any) -> typing.NoReturn:
    raise SessionNotLoaded("The session is not loaded. " + SessionNotLoaded.solution)


class LoadGuard(Session):
    """The session before it is loaded: every use raises SessionNotLoaded.

    Starlette looks for a method `mark_accessed` whenever `request.session` is evaluated; there is none, so
    merely naming the session is no error.
    """

    def __init__(self) -> None:
        dict.__setitem__(self, _UNLOADED, None)  # type: ignore[misc]

    def become(self, data: dict[str, typing.Any]) -> None:
        """Turn into a loaded session that holds `data`."""
        dict.clear(self)
        dict.update(self, data)
        self.__class__ = Session  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "<Session: not loaded>"

    __getitem__ = __setitem__ = __delitem__ = __contains__ = __iter__ = __reversed__ = __len__ = _refuse
    __eq__ = __ne__ = __or__ = __ror__ = __ior__ = _refuse
    get = setdefault = pop = popitem = update = clear = copy = keys = values = items = _refuse
    __hash__ = None  # type: ignore[assignment]  # as for every dictionary
