"""Sessions as FastAPI dependencies.

An endpoint names the type of what its session holds, and is given it::

    @app.post("/cart/{item}")
    def add(item: str, cart: Annotated[Cart, Depends(session_of(Cart))]) -> Cart: ...

The dependencies load the session themselves, work in sync endpoints and WebSockets, and add no parameters to the
OpenAPI document. `SessionMiddleware` has to be installed. Requires FastAPI, and pydantic, which comes with it.
"""

from __future__ import annotations

import typing

from starsessions.extras import from_extra

with from_extra("fastapi"):
    from fastapi import Depends, HTTPException

from starlette.requests import HTTPConnection

from starsessions.session import load_session
from starsessions.typed import TypedSession, load_typed_session

if typing.TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["SessionDict", "loaded_session", "session_of", "typed_session_of"]

T = typing.TypeVar("T")


async def loaded_session(connection: HTTPConnection) -> dict[str, typing.Any]:
    """Load the session and return its data; `SessionDict` is the annotation for it."""
    await load_session(connection)
    return connection.session


SessionDict = typing.Annotated[dict[str, typing.Any], Depends(loaded_session)]
"""The annotation of a parameter that is given the loaded session."""


@typing.overload
def session_of(model: type[T], *, key: str | None = ...) -> Callable[[HTTPConnection], Awaitable[T]]: ...
@typing.overload
def session_of(
    model: type[T], *, key: str | None = ..., required: bool
) -> Callable[[HTTPConnection], Awaitable[T | None]]: ...
def session_of(
    model: type[T], *, key: str | None = None, required: bool = True
) -> Callable[[HTTPConnection], Awaitable[T | None]]:
    """Return a dependency that gives the session as a value of the type `model`; changes of it are stored.

    model, key: as for `starsessions.typed.load_typed_session`.
    required: answer 401 where the session holds no such value and the type has no defaults for all of its fields;
    if False, the endpoint is given None.
    """

    async def typed_value(connection: HTTPConnection) -> T | None:
        value = (await load_typed_session(connection, model, key=key)).value
        if value is None and required:
            raise HTTPException(status_code=401, detail="Not authenticated")
        return value

    return typed_value


def typed_session_of(
    model: type[T], *, key: str | None = None
) -> Callable[[HTTPConnection], Awaitable[TypedSession[T]]]:
    """Return a dependency that gives the `TypedSession`, whose `value` can be assigned: for signing in and out."""

    async def typed_session(connection: HTTPConnection) -> TypedSession[T]:
        return await load_typed_session(connection, model, key=key)

    return typed_session
