"""The session of one request: loading it, changing it, storing it."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
import typing

from starsessions import events
from starsessions.document import Document
from starsessions.drafts import Draft
from starsessions.encryptors import NoopEncryptor
from starsessions.exceptions import SessionGone, SessionStoreUnavailable
from starsessions.guard import LoadGuard
from starsessions.ids import generate_session_id
from starsessions.lifetime import Lifetime, parse_lifetime
from starsessions.records import Missing, Records
from starsessions.state import SessionState

if typing.TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import HTTPConnection

    from starsessions.encryptors import Encryptor
    from starsessions.serializers import Serializer
    from starsessions.stores import SessionStore
    from starsessions.types import SessionMetadata

__all__ = ["SessionHandler"]

_NO_ENCRYPTION = NoopEncryptor()


class SessionHandler(SessionState):
    """Loads and stores the session of one connection.

    It takes `(connection, session_id, store, serializer, lifetime)`, or with an encryptor
    `(connection, session_id, store, serializer, encryptor, lifetime)`. `rolling` is the expiry strategy if it
    is known; `strict_ids` gives a new id to a session that the store does not know.
    """

    _saving: asyncio.Lock | None = None

    def __init__(
        self,
        connection: HTTPConnection,
        session_id: str | None,
        store: SessionStore,
        serializer: Serializer,
        encryptor: Encryptor | int | dt.timedelta | None = None,
        lifetime: int | dt.timedelta | None = None,
        *,
        rolling: bool | None = None,
        strict_ids: bool = True,
    ) -> None:
        if isinstance(encryptor, (int, str, dt.timedelta)):  # five arguments: there is no encryptor
            encryptor, lifetime = None, encryptor
        seconds = parse_lifetime(lifetime or 0)
        rules = Lifetime(seconds, rolling)
        self.records = Records(store, serializer, encryptor or _NO_ENCRYPTION, rules, strict_ids=strict_ids)
        self._scope, self._connection, self._stored_id = connection.scope, connection, session_id
        self._session = self.metadata = self.document = self.committed = None
        self.is_loaded = self.is_used = self.response_started = False

    async def load(self) -> None:
        """Load the session once; later calls change nothing.

        Afterwards the connection's `session` holds the data. Data that cannot be read gives an empty session
        and a log event; errors of the store are raised, and loading may be tried again.
        """
        if self.is_loaded:
            return
        found: Document | Missing
        try:
            found = await self.records.read(self._stored_id)
        except SessionStoreUnavailable as error:
            self.go_on_without(error)
            found = Missing.UNUSABLE
        if not self.is_loaded:  # two tasks of one request may load at once: the first wins
            self._show(found)

    def regenerate_id(self) -> str:
        """Give the session a new id. The record under the old one is deleted when the session is stored."""
        self.is_used = True
        self._new_id = generate_session_id()
        return self._new_id

    async def save(self, remaining_time: int | None = None) -> str:
        """Store the session now and return its id; an empty session is removed instead.

        The middleware does this when the response starts. Call it to store changes made later, in a streaming
        body, a background task or after `websocket.accept`. `remaining_time` is the record's time to live in
        seconds; by default it follows from the lifetime.

        What other requests have stored meanwhile is kept: of a key that both changed this request's value is
        stored, a key that either has deleted stays deleted, all other keys are theirs. Returns "" if nothing is
        stored: the session is empty, or someone has ended it, in which case it is empty from now on.
        """
        if not self.is_loaded:
            await self.load()
        if self.records.is_immediate:  # nothing waits, so no other task of this request can come in between
            return await self._save(remaining_time)
        async with self.saving():
            return await self._save(remaining_time)

    def saving(self) -> asyncio.Lock:
        """Return what tasks of this request hold while they store, so that each sees what the other has stored."""
        self._saving = self._saving or asyncio.Lock()
        return self._saving

    async def _save(self, remaining_time: int | None) -> str:
        if self.detached:
            return ""
        if self.callbacks:
            self.prepare()
        draft = self.draft(remaining_time)
        if (
            not draft.session
            and self.is_empty
            and (draft.before is None or draft.wiped or not self.store.traits.compares)
        ):
            await self.destroy()
            return ""
        if self.response_started and not self.is_findable:
            events.cookie_unsendable()
        try:
            await self.write(draft)
        except SessionGone:
            return ""
        self._new_id = None
        session = self._accept()
        if self.committed is not None:
            self.committed = dict(session)
        return self._stored_id or ""

    async def destroy(self) -> None:
        """Remove the session from the store and empty it; the browser is told to forget the cookie."""
        if not self.is_loaded:
            # Only what is a session may be deleted: a visitor chooses what the cookie names.
            self.is_used = self.cookie_due = self._stored_id is not None
            await self.load()
        if self._stored_id is not None and self.document is not None:
            await self.records.remove(self._stored_id, self.document)
            self.cookie_due = True
        self._forget()

    def before_save(self, callback: Callable[[], None]) -> None:
        """Call `callback` each time before the session is compared with what is stored; it may change the session."""
        self.callbacks = (*self.callbacks, callback)

    def prepare(self) -> None:
        """Let those who hold parts of the session in another form bring it up to date."""
        for callback in self.callbacks:
            callback()

    def go_on_without(self, error: SessionStoreUnavailable) -> None:
        """Store nothing more in this request, if that is the policy for a store that fails; else raise the error."""
        if self.records.calls.policy != "anonymous":
            raise error
        events.store_failed(self.store, error, "the request goes on with a session that is not stored.")
        self.detached = True
        self._new_id = None
        if self.is_loaded and self.is_wiped:  # a logout that the store did not learn of
            self.cookie_due = True
            self._forget()

    # Reading

    def _show(self, found: Document | Missing) -> None:
        now = time.time()
        metadata: SessionMetadata = {"lifetime": self.records.lifetime.seconds, "created": now, "last_access": now}
        self.metadata = metadata
        data: dict[str, typing.Any] = {}
        if isinstance(found, Document):
            self.document, data, stored = found, found.data, found.metadata
            if found.renewed:
                self.renewed = True
            if stored is not None and stored["created"] < now:
                metadata["created"] = stored["created"]
            if found.owner is not None:
                metadata["user"] = found.owner
        else:
            self._show_nothing(found)
        if not data:
            self.initially_empty = True
        guard = self._session
        (guard if isinstance(guard, LoadGuard) else self._fresh_guard()).become(data, self)
        self.is_loaded = self.is_used = True

    def _show_nothing(self, missing: Missing) -> None:
        unknown = missing is Missing.UNKNOWN
        if missing is Missing.EXPIRED or (unknown and self._stored_id and self.store.traits.cookie_limit is not None):
            self.cookie_due = True  # the cookie is worth nothing, and no other request can have replaced it
        if not unknown or (self.records.strict_ids and not self._is_id_chosen):
            self._stored_id = None

    # Writing

    def draft(self, remaining_time: int | None = None) -> Draft:
        """Return the session as it would be stored now."""
        metadata: typing.Any = self.metadata  # the session is loaded
        metadata["last_access"] = now = time.time()
        ttl = self.records.lifetime.ttl(metadata, now) if remaining_time is None else remaining_time
        old_id, session = self._stored_id, self.session
        new_id = self._new_id or old_id or generate_session_id()
        # Only the list of a user's sessions needs it, and looking it up costs more than all the rest.
        user_agent = self.connection.headers.get("user-agent", "") if "user" in metadata else ""
        return Draft(session, metadata.copy(), ttl, new_id, old_id, self.document, self._is_wiped(session), user_agent)

    async def write(self, draft: Draft) -> None:
        """Store a draft. Raises SessionGone, and stores nothing more in this request, if others ended the session."""
        try:
            self._stored_id, self.document = await self.records.write(draft)
        except SessionGone:
            events.session_gone(draft.old_id or draft.session_id, self.store)
            self._forget()
            self.detached = True
            raise
        self.cookie_due = True
        if self.document is None:
            self._stored_id = None

    def _forget(self) -> None:
        self._stored_id = self._new_id = self.document = None
        if self.is_loaded:
            dict.clear(self.session)
            self.user_id = None
            self.committed = None
