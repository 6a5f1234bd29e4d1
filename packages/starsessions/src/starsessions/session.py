"""Functions that views call; each takes the request or WebSocket whose session is meant."""

from __future__ import annotations

import time
import typing

from starsessions.exceptions import SessionMiddlewareMissing, SessionNotLoaded
from starsessions.handler import SessionHandler
from starsessions.ids import generate_session_id

if typing.TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from starsessions.types import SessionMetadata

__all__ = [
    "SessionHandler",
    "generate_session_id",
    "get_session_handler",
    "get_session_id",
    "get_session_metadata",
    "get_session_remaining_seconds",
    "is_loaded",
    "load_session",
    "regenerate_session_id",
]


def get_session_handler(connection: HTTPConnection) -> SessionHandler:
    """Return the handler of the connection's session. Raises SessionMiddlewareMissing if there is none."""
    try:
        handler: SessionHandler = connection.scope["session_handler"]
    except KeyError:
        raise SessionMiddlewareMissing(
            "There is no session: add SessionMiddleware to the application, before (outside of) "
            "SessionAutoloadMiddleware and everything else that uses sessions."
        ) from None
    return handler


async def load_session(connection: HTTPConnection) -> None:
    """Load the session; afterwards `connection.session` holds its data. Later calls change nothing."""
    handler: SessionHandler = connection.scope.get("session_handler") or get_session_handler(connection)
    await handler.load()


def is_loaded(connection: HTTPConnection) -> bool:
    """Tell whether the session was loaded."""
    return get_session_handler(connection).is_loaded


def get_session_id(connection: HTTPConnection) -> str | None:
    """Return the session's id, or None for a new session that was not stored yet."""
    return get_session_handler(connection).session_id


def regenerate_session_id(connection: HTTPConnection) -> str:
    """Give the session a new id and return it; the old one stops working when the response starts.

    Do so whenever a visitor signs in, so that an id someone else may know is worth nothing. The session need
    not be loaded.
    """
    return get_session_handler(connection).regenerate_id()


def get_session_metadata(connection: HTTPConnection) -> SessionMetadata:
    """Return when the session was created and last used. Raises SessionNotLoaded."""
    metadata = get_session_handler(connection).metadata
    if metadata is None:
        raise SessionNotLoaded("Cannot read session metadata because session was not loaded.")
    return metadata


def get_session_remaining_seconds(connection: HTTPConnection) -> int:
    """Return how many whole seconds the session has left. Raises SessionNotLoaded.

    For a rolling session that is its lifetime, or what is left until its absolute end if that is sooner; for one
    without a fixed end it is 0.
    """
    metadata = get_session_metadata(connection)
    return get_session_handler(connection).records.lifetime.remaining(metadata, time.time())
