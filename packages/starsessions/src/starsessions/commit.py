"""What a response does with the session: store it when the headers leave, look again when all is said."""

from __future__ import annotations

import time
import typing

from starsessions import events
from starsessions.cookies import CookieChange
from starsessions.exceptions import SessionError, SessionStoreUnavailable
from starsessions.overtaken import is_overtaken

if typing.TYPE_CHECKING:
    from starsessions.document import Document
    from starsessions.handler import SessionHandler
    from starsessions.types import SessionMetadata

__all__ = ["commit", "commit_late", "report_late"]

_SAVE = "Call `await request.session.save()`."
_TOO_LATE = "Change the session before: its cookie cannot be sent any more."


async def commit(handler: SessionHandler) -> CookieChange | None:
    """Store what has to be stored at the start of a response; return what the browser has to be told."""
    if not handler.is_loaded:  # regenerating is enough to make the session matter
        await handler.load()
    records = handler.records
    is_renewed = records.lifetime.rolling
    try:
        if handler.callbacks:
            handler.prepare()
        session = dict(handler.session)
        if handler.detached:
            handler.cookie_due |= handler.is_wiped
        elif handler.differs_from_stored(session):
            await handler.save()
            session = dict(handler.session)  # with what others have stored meanwhile
        elif (document := handler.document) is not None:
            may_be_overtaken = is_renewed or handler.cookie_due or records.endings.count != document.endings
            if may_be_overtaken and await is_overtaken(handler, document):
                handler.cookie_due = is_renewed = False
            elif _is_due(handler, document):
                await _refresh(handler)
                session = dict(handler.session)
        handler.committed = session
    except SessionStoreUnavailable as error:
        handler.go_on_without(error)
    return _cookie_change(handler) if handler.cookie_due or is_renewed else None


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


def report_late(handler: SessionHandler) -> None:
    """Report changes that were made after the response had started, where nobody stores them any more.

    Changes deep inside of the session are not looked for: that would cost every request as much as storing it.
    """
    if handler.committed is not None and handler.committed != handler.session:
        advice = _SAVE if handler.is_findable else _TOO_LATE
        events.change_lost(f"it was made after the response had started. {advice}")


def _is_due(handler: SessionHandler, document: Document) -> bool:
    """Tell whether a session that did not change must be stored again."""
    records = handler.records
    if not (records.is_lasting and document.owner is None) and records.is_due(document, handler.renewed):
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
    if handler.document is None:
        return CookieChange(None) if due else None
    max_age = handler.records.lifetime.max_age(typing.cast("SessionMetadata", handler.metadata), time.time())
    return CookieChange(handler.session_id, max_age, handler.store.traits.cookie_limit)
