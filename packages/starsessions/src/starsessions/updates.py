"""Changes that are stored at once and that no other request can undo: counters, and whatever else must be exact."""

from __future__ import annotations

import typing

from starsessions.document import Document, render
from starsessions.drafts import Update
from starsessions.exceptions import SessionGone
from starsessions.session import get_session_handler

if typing.TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import HTTPConnection

    from starsessions.drafts import Draft
    from starsessions.handler import SessionHandler

__all__ = ["increment", "update_session"]

T = typing.TypeVar("T")


async def update_session(connection: HTTPConnection, change: Callable[[dict[str, typing.Any]], T]) -> T:
    """Change what is stored, now and exactly; return what `change` returns.

    `change` is called with the session as it is in the store and changes it. Should another request store
    something at the same moment, it is called again with that, so it must do nothing else than change what it is
    given. If it raises, nothing is stored. Other changes of this request wait for the response, as ever; only a
    session that was never stored is stored as a whole.

    Exact in stores whose `traits.compares` is true: Redis and memory. In other stores the change is stored at
    once, but two requests at the same time may overwrite each other's.

    Raises SessionGone if the session was ended meanwhile, SessionStoreUnavailable if the store fails. If the store
    failed before it answered, whether the change was made is not known; a client that repeats commands by itself
    when its connection breaks, as redis-py does by default since version 6, may then make it twice.
    """
    handler = get_session_handler(connection)
    await handler.load()
    async with handler.saving():
        handler.prepare()
        if handler.detached:
            raise SessionGone("The session was ended by another request, or could not be loaded.")
        draft = handler.draft()
        # A session that is not stored yet may have an id all the same, under which others create it at this moment.
        if handler.store.traits.compares and draft.old_id is not None:
            return await _update(handler, draft, draft.old_id, change)
    result = change(handler.session)
    await handler.save()
    return result


async def _update(
    handler: SessionHandler, draft: Draft, session_id: str, change: Callable[[dict[str, typing.Any]], T]
) -> T:
    serializer, before = handler.serializer, handler.document
    update = Update({}, draft.metadata, draft.ttl, session_id, session_id, user_agent=draft.user_agent, change=change)
    if before is not None:
        update.rebase(before, serializer)
    else:
        update.begin(Document(b"", render(draft.session, draft.metadata, serializer), {}, None), serializer)
    base = before.untouched(serializer) if before else {}
    await handler.write(update)
    for view in (handler.session, handler.committed):
        if view is not None:
            update.show_in(view, base, serializer)
    return typing.cast("T", update.result)


async def increment(connection: HTTPConnection, key: str, by: int = 1) -> int:
    """Add `by` to the number under `key`, which begins at 0, and return the sum; see update_session.

    Raises TypeError if something else than a number is there.
    """

    def add(session: dict[str, typing.Any]) -> int:
        value = session.get(key, 0)
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise TypeError(f"Session key {key!r} holds a {type(value).__name__}; only numbers can be incremented.")
        session[key] = value + by
        return typing.cast("int", session[key])

    return await update_session(connection, add)
