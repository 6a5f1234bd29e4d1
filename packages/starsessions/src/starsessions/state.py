"""What a connection knows of its session, and what other code may ask about it."""

from __future__ import annotations

import typing

from starsessions.cookies import is_cookie_value
from starsessions.slot import SessionSlot

if typing.TYPE_CHECKING:
    from collections.abc import Callable

    from starsessions.document import Document
    from starsessions.encryptors import Encryptor
    from starsessions.records import Records
    from starsessions.serializers import Serializer
    from starsessions.stores import SessionStore
    from starsessions.types import SessionMetadata

__all__ = ["SessionState"]


class SessionState(SessionSlot):
    """The state of a session during a request; SessionHandler changes it."""

    # What every request looks at has no default here: neither finding one nor hiding it is quick.
    records: Records
    _stored_id: str | None
    metadata: SessionMetadata | None
    document: Document | None  # what the store holds
    is_loaded: bool
    is_used: bool  # the response depends on the session: it was loaded, regenerated or destroyed
    response_started: bool
    cookie_due = False  # the browser must be told something
    detached = False  # nothing of this request is stored any more
    _new_id: str | None = None
    callbacks: tuple[Callable[[], None], ...] = ()
    renewed = False  # reading has begun the record's time to live anew
    initially_empty = False
    _is_id_chosen = False

    @property
    def store(self) -> SessionStore:
        """Where the session is kept."""
        return self.records.store

    @property
    def serializer(self) -> Serializer:
        """How the session becomes bytes."""
        return self.records.serializer

    @property
    def encryptor(self) -> Encryptor:
        """How the bytes are kept secret."""
        return self.records.encryptor

    @property
    def lifetime(self) -> int:
        """The session's configured lifetime in seconds; 0: until the browser is closed."""
        return self.records.lifetime.seconds

    @property
    def session_id(self) -> str | None:
        """The session's id, or None for a session that was not stored yet.

        Assigning an id before loading chooses the record that will be loaded; assigning one afterwards renames
        the session. Raises ValueError for an id that cannot stand in a cookie.
        """
        return self._new_id or self._stored_id

    @session_id.setter
    def session_id(self, value: str | None) -> None:
        if value is not None and not is_cookie_value(value):
            raise ValueError("A session id has letters, digits and '-', '_', '.', '~', '+', '/', '=' only.")
        self._is_id_chosen = True  # by the application, not by the visitor
        if self.is_loaded and value is not None:
            self._new_id = value
        else:
            self._stored_id, self._new_id = value, None

    @property
    def ids(self) -> set[str]:
        """The ids of the session: the one in the store, the one it will get, or none."""
        return {session_id for session_id in (self._stored_id, self._new_id) if session_id}

    @property
    def user_id(self) -> str | None:
        """The user who is signed in, see `starsessions.users`; that is also where to sign someone in."""
        return self.metadata.get("user") if self.metadata else None

    @user_id.setter
    def user_id(self, value: str | None) -> None:
        metadata = typing.cast("SessionMetadata", self.metadata)
        metadata.pop("user", None)
        if value is not None:
            metadata["user"] = value

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to keep: no data and no user. Raises SessionNotLoaded before it is loaded."""
        return not self.session and (self.user_id is None or self.is_replaced)

    @property
    def is_changed(self) -> bool:
        """Whether the session has to be stored, or removed for being empty."""
        return self.differs_from_stored(dict(self.session))

    def differs_from_stored(self, session: dict[str, typing.Any]) -> bool:
        """Tell whether the session has to be stored, or removed for being empty; `session` is a plain copy of it."""
        document = self.document
        if document is None:
            return bool(session) or not self.is_empty
        if not session and self.is_empty:
            return True
        if self._new_id is not None or document.owner != self.metadata.get("user"):  # type: ignore[union-attr]
            return True  # it is loaded, so there are metadata
        return document.differs_from(session, self.records.serializer)

    @property
    def is_findable(self) -> bool:
        """Whether the id that the browser has will still lead to the session after it is stored."""
        return self.document is not None and self._new_id is None and self.store.traits.keeps_ids
