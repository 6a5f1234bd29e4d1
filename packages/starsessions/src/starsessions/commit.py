"""What a response does with the session: store it when the headers leave, look again when all is said."""

from __future__ import annotations

import time
import typing

from starsessions import events
from starsessions.cookies import CookieChange
from starsessions.exceptions import SessionError, SessionStoreUnavailable

if typing.TYPE_CHECKING:
    from starsessions.document import Document
    from starsessions.handler import SessionHandler
    from starsessions.types import SessionMetadata

__all__ = ["commit", "commit_late", "conclude"]


async def commit(handler: SessionHandler) -> CookieChange | None:
    """Store what has to be stored at the start of a response; return what the browser has to be told."""
    await handler.load()  # regenerating is enough to make the session matter
    try:
        await _store_if_necessary(handler)
    except SessionStoreUnavailable as error:
        handler.go_on_without(error)
    return _cookie_change(handler)


async def commit_late(handler: SessionHandler) -> None:
    """Store changes that were made after the response had started, if the browser can still find them."""
    if not handler.is_loaded or handler.detached:
        return
    handler.prepare()
    if not handler.is_changed:
        return
    if not handler.is_findable:
        events.cookie_unsendable()
        return
    try:
        await handler.save()
    except SessionStoreUnavailable as error:
        handler.go_on_without(error)


async def conclude(handler: SessionHandler, kind: str) -> None:
    """Look after what was changed since the response started: a WebSocket's changes are stored, others reported.

    Changes deep inside of the session are not looked for: that would cost every request as much as storing it.
    """
    if kind == "websocket":
        await commit_late(handler)
    elif handler.committed is not None and handler.committed != handler.session:
        events.change_lost("it was made after the response had started. Call `await request.session.save()`.")


async def _store_if_necessary(handler: SessionHandler) -> None:
    handler.prepare()
    if handler.detached:
        handler.cookie_due |= handler.is_wiped  # a logout that the store did not learn of
    elif handler.is_changed:
        await handler.save()
    elif handler.document is not None and _is_due(handler, handler.document):
        await _refresh(handler)
    handler.committed = dict(handler.session)


def _is_due(handler: SessionHandler, document: Document) -> bool:
    records = handler.records
    return records.link.is_due(document) or (not handler.renewed and records.is_due(document))


async def _refresh(handler: SessionHandler) -> None:
    try:
        await handler.save()
    except Exception as error:
        if isinstance(error, SessionError) and not isinstance(error, SessionStoreUnavailable):
            raise
        events.store_failed(handler.store, error, "a session that did not change was not renewed.")


def _cookie_change(handler: SessionHandler) -> CookieChange | None:
    lifetime = handler.records.lifetime
    due, handler.cookie_due = handler.cookie_due, False
    if handler.document is None:
        return CookieChange(None) if due else None
    if not (due or lifetime.rolling):
        return None
    max_age = lifetime.max_age(typing.cast("SessionMetadata", handler.metadata), time.time())
    return CookieChange(handler.session_id, max_age, handler.store.traits.cookie_limit)
