"""Keeping the list of a user's sessions true while one of them is stored, renamed or removed."""

from __future__ import annotations

import time
import typing

from starsessions.devices import device_name
from starsessions.ids import hash_id
from starsessions.stores.user_index import UserSession

if typing.TYPE_CHECKING:
    from starsessions.document import Document
    from starsessions.drafts import Draft
    from starsessions.failures import StoreCalls
    from starsessions.stores import UserIndex

__all__ = ["UserLink"]

# The time of a user's last visit is as exact as this; in between, reading a session changes nothing.
_LAST_SEEN_SECONDS = 300


class UserLink:
    """Tells a store's index of users what happens to sessions. Does nothing for a store without one."""

    def __init__(self, index: UserIndex | None, calls: StoreCalls) -> None:
        self._index = index
        self._calls = calls

    async def enter(self, draft: Draft) -> bool:
        """Enter a session into its user's list; return whether that was necessary.

        That comes before storing it: a session that exists without being in the list could not be revoked.
        """
        user_id = draft.metadata.get("user")
        if self._index is None or user_id is None:
            return False
        moved = draft.session_id != draft.old_id or draft.before is None or draft.before.owner != user_id
        if not moved and not self.is_due(draft.before):
            return False
        await self._put(self._index, user_id, draft)
        return True

    async def enter_again(self, draft: Draft) -> None:
        """Enter a session that has a new id once more, now that it is stored.

        Whoever ended the user's sessions in between may have taken out the entry before there was a session to end.
        """
        user_id = draft.metadata.get("user")
        if self._index is not None and user_id is not None and draft.session_id != draft.old_id:
            await self._put(self._index, user_id, draft)

    async def _put(self, index: UserIndex, user_id: str, draft: Draft) -> None:
        metadata, device = draft.metadata, device_name(draft.user_agent)
        entry = UserSession(hash_id(draft.session_id), device, metadata["created"], metadata["last_access"])
        await self._calls(index.put, user_id, draft.session_id, entry, draft.ttl)

    async def leave(self, user_id: str | None, session_id: str | None) -> None:
        """Take a session that is gone out of its user's list."""
        if self._index is not None and user_id is not None and session_id is not None:
            await self._calls(self._index.drop, user_id, session_id)

    def is_due(self, document: Document | None) -> bool:
        """Tell whether a user's session was used so long after the list last learned of it that it must again."""
        if self._index is None or document is None or document.metadata is None or document.owner is None:
            return False
        return time.time() - document.metadata["last_access"] > _LAST_SEEN_SECONDS
