"""The session of one request: loading it, deciding what has to be stored, storing it."""

from __future__ import annotations

import time
import typing

from starsessions import events
from starsessions.cookies import CookieChange, is_cookie_value
from starsessions.encryptors import Encryptor, NoopEncryptor
from starsessions.guard import LoadGuard, Session
from starsessions.ids import generate_session_id
from starsessions.lifetime import Lifetime, parse_lifetime
from starsessions.records import Found, Records
from starsessions.types import SessionMetadata

if typing.TYPE_CHECKING:
    import datetime as dt

    from starlette.requests import HTTPConnection

    from starsessions.cookies import Cookie
    from starsessions.document import Document
    from starsessions.serializers import Serializer
    from starsessions.stores import SessionStore

__all__ = ["SessionHandler"]


class _InCookie:
    """Marks an id that has not been looked up in the cookie yet."""


_IN_COOKIE = _InCookie()
_TOO_LATE = "its id or its cookie would have to change. Change the session before the response starts."


_NO_ENCRYPTION = NoopEncryptor()


def _arguments(encryptor: typing.Any, lifetime: typing.Any) -> tuple[Encryptor, int]:
    """Return encryptor and lifetime, of which the form with five arguments has only the lifetime."""
    if lifetime is None:
        encryptor, lifetime = None, encryptor or 0
    return encryptor or _NO_ENCRYPTION, lifetime if type(lifetime) is int else parse_lifetime(lifetime)


class SessionHandler:
    """Loads and stores the session of one connection.

    It takes `(connection, session_id, store, serializer, lifetime)`, or with an encryptor
    `(connection, session_id, store, serializer, encryptor, lifetime)`. `rolling` is the expiry strategy if it
    is known; `strict_ids` gives a new id to a session that the store does not know. With `cookie` the handler puts
    itself and an unloaded session into the connection's scope, and reads the id when it is first needed.
    """

    @typing.overload
    def __init__(
        self,
        connection: HTTPConnection,
        session_id: str | None,
        store: SessionStore,
        serializer: Serializer,
        lifetime: int | dt.timedelta,
        /,
    ) -> None: ...

    @typing.overload
    def __init__(
        self,
        connection: HTTPConnection,
        session_id: str | None,
        store: SessionStore,
        serializer: Serializer,
        encryptor: Encryptor | None = ...,
        lifetime: int | dt.timedelta = ...,
        *,
        rolling: bool | None = ...,
        strict_ids: bool = ...,
        cookie: Cookie | None = ...,
    ) -> None: ...

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
        cookie: Cookie | None = None,
    ) -> None:
        self.connection = connection
        self.store = store
        self.serializer = serializer
        self.encryptor, self.lifetime = _arguments(encryptor, lifetime)
        self.metadata: SessionMetadata | None = None
        self.is_loaded = False
        self.initially_empty = False
        self.rolling = rolling
        self.response_started = False
        self._strict_ids = strict_ids
        self._cookie = cookie
        self._cookie_due = False  # the browser must be told something
        self._document: Document | None = None  # what the store holds under _record_id
        self._new_id: str | None = None
        self._renewed = False
        self._record_id: str | _InCookie | None = session_id
        self._session: dict[str, typing.Any] | None = None
        if cookie is not None:
            self._record_id = _IN_COOKIE
            self._session = connection.scope["session"] = LoadGuard()
            connection.scope["session_handler"] = self

    # What other code asks

    @property
    def session_id(self) -> str | None:
        """The session's id, or None for a session that was not stored yet.

        Assigning an id before loading chooses the record that will be loaded; assigning one afterwards renames
        the session. Raises ValueError for an id that cannot stand in a cookie.
        """
        return self._new_id or self._stored_id()

    @session_id.setter
    def session_id(self, value: str | None) -> None:
        if value is not None and not is_cookie_value(value):
            raise ValueError("A session id has letters, digits and '-', '_', '.', '~', '+', '/', '=' only.")
        self._strict_ids = False  # the application has chosen, not the visitor
        if self.is_loaded and value is not None:
            self._new_id = value
        else:
            self._record_id, self._new_id = value, None

    @property
    def is_empty(self) -> bool:
        """Whether the session has no data. Raises SessionNotLoaded before it is loaded."""
        return not self._current()

    @property
    def is_used(self) -> bool:
        """Whether the response depends on the session: it was loaded, regenerated or destroyed."""
        return self.is_loaded or self._cookie_due or self._new_id is not None

    @property
    def remaining(self) -> int:
        """How many whole seconds the session has left; 0 for one without a fixed end."""
        if self.metadata is None:
            return self.lifetime
        return Lifetime(self.lifetime, self.rolling).remaining(self.metadata, time.time())

    # What happens during a request

    async def load(self) -> None:
        """Load the session once; later calls change nothing.

        Afterwards the connection's `session` holds the data. Data that cannot be read gives an empty session
        and a log event; errors of the store are raised, and loading may be tried again.
        """
        if self.is_loaded:
            return
        found = await self._read()
        if not self.is_loaded:  # two tasks of one request may load at once: the first wins
            self._begin(found)

    def regenerate_id(self) -> str:
        """Give the session a new id. The record under the old one is deleted when the session is stored."""
        self._new_id = generate_session_id()
        return self._new_id

    async def save(self, remaining_time: int | None = None) -> str:
        """Store the session now and return its id; an empty session is removed instead.

        The middleware does this when the response starts. Call it to store changes made later, in a streaming
        body, a background task or after `websocket.accept`. `remaining_time` is the record's time to live in
        seconds; by default it follows from the lifetime.
        """
        await self.load()
        session = self._current()
        if not session:
            await self.destroy()
            return ""
        metadata = self._stamped(time.time())
        ttl = Lifetime(self.lifetime, self.rolling).ttl(metadata, metadata["last_access"])
        ttl = ttl if remaining_time is None else remaining_time
        stored_id = self._stored_id()
        old_id = stored_id if self._new_id and self._document else None
        new_id = self._new_id or stored_id or generate_session_id()
        if self.response_started and not self._is_findable():
            events.cookie_unsendable(_TOO_LATE)
        saved_id, self._document = await self._records().write(new_id, old_id, session, metadata, ttl)
        self._record_id, self._new_id, self._cookie_due = saved_id, None, True
        return saved_id

    async def destroy(self) -> None:
        """Remove the session from the store and empty it; the browser is told to forget the cookie."""
        session_id = self._stored_id()
        if session_id is not None and not (self.is_loaded and self._document is None):
            await self.store.remove(session_id)
            self._cookie_due = True
        self._record_id = self._new_id = self._document = None
        if self.is_loaded:
            self._current().clear()

    async def commit(self) -> CookieChange | None:
        """Store what has to be stored at the start of a response; return what the browser has to be told."""
        if self._new_id is not None:
            await self.load()  # regenerating is enough to make the session matter
        if not self.is_loaded:
            return self._cleared()
        if self.is_empty:
            return await self._commit_empty()
        if self._is_changed() or self._is_due():
            await self.save()
        if not (self._cookie_due or self.rolling):
            return None
        self._cookie_due = False
        max_age = max(1, self.remaining) if self.lifetime else None
        return CookieChange(self.session_id, max_age, self.store.traits.cookie_limit)

    async def commit_late(self) -> None:
        """Store changes that were made after the response had started, if the browser can still find them."""
        if not self.is_loaded:
            return
        if self.is_empty:
            if self._document is not None:
                await self.destroy()
            return
        if self._is_changed() and self._is_findable():
            await self.save()
        elif self._is_changed():
            events.cookie_unsendable(_TOO_LATE)

    # Reading

    def _stored_id(self) -> str | None:
        if isinstance(self._record_id, _InCookie):
            self._record_id = self._id_from_cookie()
        return self._record_id

    def _id_from_cookie(self) -> str | None:
        value = self._cookie.read(self.connection.scope) if self._cookie else None
        if value is None or self.store.accepts_id(value):
            return value
        events.cookie_rejected("it does not have the form of a session id")
        return None

    async def _read(self) -> Found:
        session_id = self._stored_id()
        return await self._records().read(session_id) if session_id else Found(unknown=True)

    def _records(self) -> Records:
        return Records(self.store, self.serializer, self.encryptor, Lifetime(self.lifetime, self.rolling))

    def _begin(self, found: Found) -> None:
        document = found.document
        if document is None and (self._strict_ids or not found.unknown):
            self._record_id = None
        self._document, self._renewed = document, found.renewed
        self.metadata = self._first_metadata(document, time.time())
        data = document.data if document else {}
        self.initially_empty = not data
        self._show(data)
        self.is_loaded = True

    def _first_metadata(self, document: Document | None, now: float) -> SessionMetadata:
        stored = document.metadata if document else None
        created = min(stored["created"], now) if stored else now
        return {"lifetime": self.lifetime, "created": created, "last_access": now}

    def _show(self, data: dict[str, typing.Any]) -> None:
        scope = self.connection.scope
        guard = scope.get("session") if self._owns_scope() else self._session
        if isinstance(guard, LoadGuard):
            guard.become(data)
            self._session = guard
        else:
            self._session = scope["session"] = Session(data)

    def _owns_scope(self) -> bool:
        # Another SessionMiddleware further in puts its own handler and session into the same scope.
        return self.connection.scope.get("session_handler", self) is self

    def _current(self) -> dict[str, typing.Any]:
        if self._owns_scope() or self._session is None:
            return typing.cast("dict[str, typing.Any]", self.connection.scope["session"])
        return self._session

    # Writing

    def _is_changed(self) -> bool:
        document = self._document
        if document is None or self._new_id is not None:
            return True
        return document.differs_from(self._current(), self.serializer)

    def _is_findable(self) -> bool:
        """Tell whether the id that the browser has will still lead to the session after it is stored."""
        return self._document is not None and self._new_id is None and self.store.traits.keeps_ids

    def _is_due(self) -> bool:
        return self._document is not None and not self._renewed and self._records().is_due(self._document)

    def _stamped(self, now: float) -> SessionMetadata:
        metadata = typing.cast("SessionMetadata", self.metadata)
        metadata["last_access"] = now
        return metadata.copy()

    async def _commit_empty(self) -> CookieChange | None:
        if self._document is not None:
            await self.destroy()
        self._new_id = None
        return self._cleared()

    def _cleared(self) -> CookieChange | None:
        if not self._cookie_due:
            return None
        self._cookie_due = False
        return CookieChange(None)
