"""What a response does with the session: store it when the headers leave, look again when all is said."""

from __future__ import annotations

import time
import typing

from starsessions import events
from starsessions.cookies import CookieChange
from starsessions.exceptions import SessionError, SessionStoreUnavailable
from starsessions.overtaken import is_overtaken

if typing.TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.types import Scope

    from starsessions.document import Document
    from starsessions.handler import SessionHandler
    from starsessions.types import SessionMetadata

__all__ = ["commit", "commit_late", "end"]

_SAVE = "Call `await request.session.save()`."
_TOO_LATE = "Change the session before: its cookie cannot be sent any more."


def commit(handler: SessionHandler) -> Awaitable[CookieChange | None] | None:
    """Look at the session at the start of a response: return None if nothing is to be done, as for most requests.

    Otherwise return what does it and then gives what the browser has to be told.
    """
    if not handler.is_loaded:  # regenerating is enough to make the session matter
        return _load_and_commit(handler)
    if handler.callbacks:
        handler.prepare()
    session, document, records = {**handler.current()}, handler.document, handler.records
    is_rolling = records.lifetime.rolling
    if handler.detached:
        handler.cookie_due |= handler.is_wiped
    elif handler.differs_from_stored(session):
        return _store(handler)
    elif document is not None and (
        is_rolling
        or handler.cookie_due
        or records.endings.count != document.endings
        or (not (records.is_lasting and document.owner is None) and _is_due(handler, document))
    ):
        return _keep(handler, document)
    handler.committed = session
    return _tell(handler) if is_rolling or handler.cookie_due else None


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


def end(handler: SessionHandler, scope: Scope) -> None:
    """Let the handler go when the request has ended.

    Changes that were made after the response had started, and that nobody stores any more, are reported. Those deep
    inside of the session are not looked for: that would cost every request as much as storing it.
    """
    if handler.committed is None:
        return
    try:
        session = handler.current()
    except SessionError:  # what is there now is no session
        session = None
    if session is not None and handler.committed == session:
        handler.leave_loaded(session)
    elif scope["type"] == "http":
        advice = _SAVE if handler.is_findable else _TOO_LATE
        events.change_lost(f"it was made after the response had started. {advice}")


async def _load_and_commit(handler: SessionHandler) -> CookieChange | None:
    await handler.load()
    storing = commit(handler)
    return None if storing is None else await storing


async def _store(handler: SessionHandler) -> CookieChange | None:
    try:
        await handler.save()
        handler.committed = dict(handler.session)  # with what others have stored meanwhile
    except SessionStoreUnavailable as error:
        handler.go_on_without(error)
    return _cookie_change(handler)


async def _keep(handler: SessionHandler, document: Document) -> CookieChange | None:
    """See to it that a session which did not change lives on, unless others have ended it."""
    records = handler.records
    try:
        may_be_overtaken = records.lifetime.rolling or handler.cookie_due or records.endings.count != document.endings
        if may_be_overtaken and await is_overtaken(handler, document):
            handler.cookie_due = False
            handler.committed = dict(handler.session)
            return None
        if _is_due(handler, document):
            await _refresh(handler)
        handler.committed = dict(handler.session)
    except SessionStoreUnavailable as error:
        handler.go_on_without(error)
    return _cookie_change(handler)


async def _tell(handler: SessionHandler) -> CookieChange | None:
    return _cookie_change(handler)


def _is_due(handler: SessionHandler, document: Document) -> bool:
    """Tell whether a session that did not change must be stored again."""
    records = handler.records
    if records.is_due(document, handler.renewed):
        return True
    return records.has_keys and records.is_outdated(handler.session_id or "", document)


async def _refresh(handler: SessionHandler) -> None:
    try:
        await handler.save()
    except Exception as error:
        if isinstance(error, SessionError) and not isinstance(error, SessionStoreUnavailable):
            raise
        events.store_failed(handler.store, error, "a session that did not change was not renewed.")


def _cookie_change(handler: SessionHandler) -> CookieChange | None:
    due, handler.cookie_due = handler.cookie_due, False
    if not due and not handler.records.lifetime.rolling:
        return None
    if handler.document is None:
        return CookieChange(None) if due else None
    max_age = handler.records.lifetime.max_age(typing.cast("SessionMetadata", handler.metadata), time.time())
    return CookieChange(handler.session_id, max_age, handler.store.traits.cookie_limit)
