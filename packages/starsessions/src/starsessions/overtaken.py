"""Sessions that others end while a request only reads them: the answer must not send their cookie once more.

The browser may have the cookie of a new session by then, after signing in for example, and would lose it.
"""

from __future__ import annotations

import time
import typing

from starsessions import events

if typing.TYPE_CHECKING:
    from starsessions.document import Document
    from starsessions.handler import SessionHandler

__all__ = ["Endings", "is_overtaken"]

# Who takes no longer than this from reading to answering does not ask the store again: answers that are so close to
# each other may reach the browser in either order whatever is done here.
_QUICK_SECONDS = 0.1
_REMEMBERED = 10_000


class Endings:
    """The ids under which this process has lately ended or renamed sessions, in that order."""

    def __init__(self) -> None:
        self.count = 0
        self._ended: dict[str, int] = {}

    def note(self, session_id: str) -> None:
        """Remember that there is no session under this id any more."""
        self.count += 1
        self._ended.pop(session_id, None)
        self._ended[session_id] = self.count
        if len(self._ended) > _REMEMBERED:
            del self._ended[next(iter(self._ended))]

    def include(self, session_id: str | None, *, after: int) -> bool:
        """Tell whether the session was ended after so many others were."""
        return self._ended.get(session_id or "", 0) > after


async def is_overtaken(handler: SessionHandler, document: Document) -> bool:
    """Tell whether the session, which this request did not change, was ended or renamed since it was read."""
    records = handler.records
    if records.endings.include(handler.session_id, after=document.endings):
        return True
    traits = records.store.traits
    if not (records.lifetime.rolling or handler.cookie_due) or traits.cookie_limit is not None:
        return False  # no cookie will be sent, or only the browser knows which one is the last
    if not traits.in_process and time.time() - handler.metadata["last_access"] <= _QUICK_SECONDS:  # type: ignore[index]
        return False
    try:
        return not await records.is_there(typing.cast("str", handler.session_id), document)
    except Exception as error:  # noqa: BLE001  the answer does not need the store
        events.store_failed(records.store, error, "a session that did not change was not renewed.")
        return False
