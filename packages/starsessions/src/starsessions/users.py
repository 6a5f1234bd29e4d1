"""A user's sessions: signing in and out, listing the devices, ending sessions elsewhere.

::

    await sign_in(request, "ada")  # at login, instead of regenerate_session_id
    for session in await list_sessions(request, "ada"):
        ...  # session.device, session.last_seen, session.handle
    await revoke_session(request, "ada", handle)  # that device is signed out
    await revoke_other_sessions(request)  # after a change of the password
    await revoke_all_sessions(store, "ada")  # from a job, where there is no request

Works with RedisStore and InMemoryStore, and with every store that has a `users` index. A revoked session is gone
from the store; a request that is using it at that moment does not bring it back.

Called with a connection, the functions are limited by `store_timeout`. If the store fails, they raise what
`on_store_failure` says; for "unavailable" and "anonymous" that is SessionStoreUnavailable. Called with the store, they
wait as long as it does and raise its own errors.
"""

from __future__ import annotations

import dataclasses
import typing

from starlette.requests import HTTPConnection

from starsessions.exceptions import ImproperlyConfigured, SessionNotLoaded
from starsessions.ids import hash_id
from starsessions.session import get_session_handler
from starsessions.stores.base import SessionStore
from starsessions.stores.user_index import UserIndex, UserSession

if typing.TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = [
    "UserSession",
    "get_user_id",
    "list_sessions",
    "revoke_all_sessions",
    "revoke_other_sessions",
    "revoke_session",
    "sign_in",
    "sign_out",
]

Source = HTTPConnection | SessionStore
T = typing.TypeVar("T")


async def sign_in(connection: HTTPConnection, user_id: str) -> None:
    """Make this session the user's, under a new id; it is stored when the response starts.

    Its data stay, unless they are those of another user who was signed in: then the session begins empty.
    `user_id` is any text that names the user for good. It is kept in the session's metadata, hashed in key names.
    Raises ImproperlyConfigured if the store keeps no lists of users' sessions.
    """
    if not user_id or not isinstance(user_id, str):
        raise TypeError(f"user_id: a text that is not empty is needed, not {user_id!r}.")
    handler = get_session_handler(connection)
    _index(handler.store)
    await handler.load()
    if handler.user_id not in {None, user_id}:
        connection.session.clear()
    handler.user_id = user_id
    handler.regenerate_id()


async def sign_out(connection: HTTPConnection) -> None:
    """End this session: it leaves the store, the user's list and the browser."""
    handler = get_session_handler(connection)
    await handler.load()
    await handler.destroy()


def get_user_id(connection: HTTPConnection) -> str | None:
    """Return the user who is signed in, or None. Raises SessionNotLoaded."""
    handler = get_session_handler(connection)
    if not handler.is_loaded:
        raise SessionNotLoaded("The session is not loaded. " + SessionNotLoaded.solution)
    return handler.user_id


async def list_sessions(source: Source, user_id: str | None) -> list[UserSession]:
    """Return the user's sessions, the one last seen first; None, who is not signed in, has none.

    `source` is a connection or the store.
    """
    index = _index(_store(source))
    found = [] if user_id is None else await _ask(source, index.entries, user_id)
    own = _own_handles(source)
    marked = (dataclasses.replace(session, current=session.handle in own) for session in found)
    return sorted(marked, key=lambda session: session.last_seen, reverse=True)


async def revoke_session(source: Source, user_id: str | None, handle: str) -> bool:
    """End one of the user's sessions, by the handle from `list_sessions`; return whether there was one."""
    return bool(await _revoke(source, user_id, lambda other: other == handle))


async def revoke_other_sessions(connection: HTTPConnection) -> int:
    """End all sessions of the user who is signed in except this one; return how many there were."""
    user_id = get_user_id(connection)
    if user_id is None:
        return 0
    own = _own_handles(connection)
    return await _revoke(connection, user_id, lambda handle: handle not in own)


async def revoke_all_sessions(source: Source, user_id: str | None) -> int:
    """End all of the user's sessions, this one included; return how many there were."""
    return await _revoke(source, user_id, lambda _: True)


async def _revoke(source: Source, user_id: str | None, chosen: Callable[[str], bool]) -> int:
    index = _index(_store(source))
    revoked = 0 if user_id is None else await _ask(source, index.revoke, user_id, chosen)
    if isinstance(source, HTTPConnection) and _is_own(source, user_id, chosen):
        await get_session_handler(source).destroy()  # the request and the browser learn of it
    return revoked


def _is_own(connection: HTTPConnection, user_id: str | None, chosen: Callable[[str], bool]) -> bool:
    """Tell whether the session of this request is one of those; one that is only being signed in is not."""
    document = get_session_handler(connection).document
    is_users = document is not None and document.owner is not None and document.owner == user_id
    return is_users and all(map(chosen, _own_handles(connection)))


def _store(source: Source) -> SessionStore:
    return get_session_handler(source).store if isinstance(source, HTTPConnection) else source


def _index(store: SessionStore) -> UserIndex:
    if store.users is None:
        raise ImproperlyConfigured(
            f"{type(store).__name__} does not keep lists of users' sessions. Use RedisStore, or give the store a "
            "`users` attribute that is a UserIndex."
        )
    return store.users


async def _ask(source: Source, method: Callable[..., Awaitable[T]], *arguments: typing.Any) -> T:
    """Call a method of the index; for a request with the time limit and the policy of its middleware."""
    if isinstance(source, HTTPConnection):
        method = get_session_handler(source).records.calls.limited(method)
    return await method(*arguments)


def _own_handles(source: Source) -> set[str]:
    """Return the handles of this request's session: a new id counts although it is not stored yet."""
    if not isinstance(source, HTTPConnection):
        return set()
    return {hash_id(session_id) for session_id in get_session_handler(source).ids}
