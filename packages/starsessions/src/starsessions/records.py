"""Records in a store: sealed bytes below, session documents above.

Everything that goes to a store or comes from one passes through here; the handler decides what and when.
"""

from __future__ import annotations

import dataclasses
import enum
import time
import typing

from starsessions import events
from starsessions.document import Document, DocumentError, parse, render
from starsessions.encryptors import NoopEncryptor
from starsessions.exceptions import SessionConflict, SessionError, SessionGone, SessionStoreUnavailable
from starsessions.failures import StoreCalls
from starsessions.guard import Session
from starsessions.ids import is_generated_id
from starsessions.overtaken import Endings
from starsessions.sealing import seal, unseal
from starsessions.stores.base import digest_of
from starsessions.user_link import UserLink

if typing.TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starsessions.drafts import Draft
    from starsessions.encryptors import Encryptor
    from starsessions.lifetime import Lifetime
    from starsessions.serializers import Serializer
    from starsessions.stores import SessionStore
    from starsessions.types import SessionMetadata

__all__ = ["Missing", "Records"]

# A record without a fixed end, in a store that cannot renew it, is rewritten when it is older than this.
_REFRESH_SECONDS = 3600
# Each failed attempt means that another request's change was stored, so this many at once all succeed.
_ATTEMPTS = 200


class Missing(enum.Enum):
    """Why reading gave no document."""

    UNKNOWN = "the store has nothing under the id"
    UNUSABLE = "a record is there that this session must leave alone"
    EXPIRED = "the session was past its end"


@dataclasses.dataclass(slots=True)
class Records:
    """The records of one store, with the rules by which they are read and written."""

    store: SessionStore
    serializer: Serializer
    encryptor: Encryptor
    lifetime: Lifetime
    calls: StoreCalls = dataclasses.field(default_factory=StoreCalls)
    strict_ids: bool = True
    session_class: type[Session] = Session
    """What applications get to see."""
    endings: Endings = dataclasses.field(default_factory=Endings)
    link: UserLink = dataclasses.field(init=False)
    is_immediate: bool = dataclasses.field(init=False)
    """Whether reading and writing never wait for anything."""
    is_lasting: bool = dataclasses.field(init=False)
    """Whether a record that did not change need never be written again, but for its user's list."""
    has_keys: bool = dataclasses.field(init=False)
    """Whether keys, which may be replaced, have to do with what is stored."""
    _is_under_old_key: Callable[[bytes, str | None], bool] | None = dataclasses.field(init=False)
    _safe_age: float = dataclasses.field(init=False)
    _is_plain: bool = dataclasses.field(init=False)
    _is_json: bool = dataclasses.field(init=False)
    _renewable: bool = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.link = UserLink(self.store.users, self.calls)
        self._is_json = getattr(self.serializer, "gives_json_types", False)  # others need only be alike
        self._is_plain = type(self.encryptor) is NoopEncryptor
        self.is_immediate = self._is_plain and self.store.traits.in_process
        self._is_under_old_key = getattr(self.encryptor, "is_outdated", None)  # other people's may be merely alike
        encrypts_with_keys = not self._is_plain and self._is_under_old_key is not None
        self.has_keys = encrypts_with_keys or self.store.traits.cookie_limit is not None
        self.is_lasting = self.lifetime.seconds > 0 and not self.lifetime.rolling and not self.has_keys
        self._safe_age = self.lifetime.safe_age(self.store.traits.expires)
        # Sessions without a fixed end live for some time after their last use, as rolling ones do.
        self._renewable = self.store.traits.renews and (bool(self.lifetime.rolling) or not self.lifetime.seconds)

    async def read(self, session_id: str | None) -> Document | Missing:
        """Return the session stored under `session_id` as far as it can be used; raise the store's errors."""
        if not session_id:
            return Missing.UNKNOWN
        store, endings = self.store, self.endings.count
        renews = self._renewable and not self._may_be_foreign(session_id)
        method: Callable[..., Awaitable[bytes]] = store.renew if renews else store.read
        if not self.calls.is_direct:
            method = self.calls.limited(method)
        record = await method(session_id=session_id, lifetime=self.lifetime.seconds)
        if not record:
            return Missing.UNKNOWN
        try:
            if type(record) is not bytes:
                record = _as_bytes(record)
            raw = record if self._is_plain else await self._unsealed(session_id, record)
            document = parse(record, raw, self.serializer, self._is_json)
            metadata = document.metadata
            if metadata is None:
                self._refuse_foreign()
            elif time.time() - metadata["created"] >= self._safe_age and self._is_expired(metadata):
                return await self._expired(session_id, document)
        except DocumentError as error:
            events.session_discarded(session_id, store, str(error))
            return Missing.UNUSABLE
        document.renewed = renews
        document.endings = endings
        return document

    async def is_there(self, session_id: str, document: Document) -> bool:
        """Tell whether there still is a record under the id that `document` was read from; renew it, if reading did."""
        method = self.store.renew if document.renewed else self.store.read
        return bool(await self.calls(method, session_id=session_id, lifetime=self.lifetime.seconds))

    async def write(self, draft: Draft) -> tuple[str, Document | None]:
        """Store a draft; return the id and what is stored now, None if that is nothing.

        Where the store can compare, what others have stored meanwhile is brought into the draft's session, and
        SessionGone is raised if they have ended it.
        """
        endings = self.endings.count
        entered = "user" in draft.metadata and await self.link.enter(draft)
        try:
            if draft.old_id is not None and self.store.traits.compares:
                session_id, document = draft.session_id, await self._swap(draft, draft.old_id)
            else:
                session_id, document = await self._store(draft)
        except SessionStoreUnavailable:
            raise  # it may have stored the session all the same, which can only be revoked while it is in the list
        except SessionError as error:
            if entered and (isinstance(error, SessionGone) or draft.session_id != draft.old_id):
                await self.link.leave(draft.metadata.get("user"), draft.session_id)
            raise
        if draft.old_id is not None and (document is None or session_id != draft.old_id):
            self.endings.note(draft.old_id)
        owner = draft.before.owner if draft.before else None
        if owner is not None and (document is None or (session_id, document.owner) != (draft.old_id, owner)):
            await self.link.leave(owner, draft.old_id)
        if entered:
            await self.link.enter_again(draft)
        if document is not None:
            document.endings = endings
        return session_id, document

    async def remove(self, session_id: str, document: Document | None = None) -> None:
        """Delete the record of `session_id`, where `document` was found, and its entry in its user's list."""
        await self.calls(self.store.remove, session_id)
        self.endings.note(session_id)
        await self.link.leave(document.owner if document else None, session_id)

    def is_due(self, document: Document, renewed: bool) -> bool:
        """Tell whether an unchanged record must be written again: for its user's list or, if not `renewed`, to live."""
        if document.owner is not None and self.link.is_due(document):
            return True
        if renewed or self.lifetime.rolling:
            return not renewed
        if self.lifetime.seconds or document.metadata is None or self.store.traits.cookie_limit is not None:
            return False
        return time.time() - document.metadata["last_access"] > _REFRESH_SECONDS

    def is_outdated(self, session_id: str, document: Document) -> bool:
        """Tell whether an unchanged record must be written again because a newer key has taken over."""
        if self.store.traits.cookie_limit is not None and self.store.is_outdated(session_id):
            return True
        asked = self._is_under_old_key
        return asked is not None and asked(document.record, self._binding(session_id))

    async def _store(self, draft: Draft) -> tuple[str, Document | None]:
        raw = render(draft.session, draft.metadata, self.serializer)
        data = raw if self._is_plain else await self._sealed(draft, raw)
        options = {"lifetime": self.lifetime.seconds, "ttl": draft.ttl}
        new_id: object  # other people's stores may return anything
        if draft.before is None or draft.old_id in {None, draft.session_id}:
            new_id = await self.calls(self.store.write, session_id=draft.session_id, data=data, **options)
        else:
            new_id = await self.calls(self.store.replace, [draft.old_id], draft.session_id, data, **options)
        if not isinstance(new_id, str) or not new_id:
            raise SessionError(f"{type(self.store).__name__}.write returned {new_id!r}: it must return the id.")
        return new_id, Document(data, raw, {}, draft.metadata)

    async def _swap(self, draft: Draft, old_id: str) -> Document | None:
        for _ in range(_ATTEMPTS):
            raw, data = b"", None
            if not draft.is_empty:
                raw = render(draft.session, draft.metadata, self.serializer)
                data = raw if self._is_plain else await self._sealed(draft, raw)
            digest = digest_of(draft.before.record) if draft.before else ""
            swap = self.store.swap if self.calls.is_direct else self.calls.limited(self.store.swap)
            present = await swap(draft.session_id, data, self.lifetime.seconds, draft.ttl, old_id=old_id, digest=digest)
            if present is None:
                return None if data is None else Document(data, raw, {}, draft.metadata)
            present = _as_bytes(present)
            if not present:
                if draft.wiped:  # a logout, which has to reach the session under whatever id it has by now
                    await self.remove(old_id)
                raise SessionGone("The session was ended by another request and was not stored.")
            await self._bring_in(draft, old_id, present)
        raise SessionConflict(f"The session changed {_ATTEMPTS} times while it was being stored. Try again.")

    async def _bring_in(self, draft: Draft, old_id: str, present: bytes) -> None:
        """Make the draft a change of the record that is there now."""
        try:
            raw = present if self._is_plain else await self._unsealed(old_id, present)
            theirs = parse(present, raw, self.serializer)
        except DocumentError as error:
            events.session_discarded(old_id, self.store, str(error))
            raise SessionGone("The session was overwritten with something unreadable and was not stored.") from error
        draft.rebase(theirs, self.serializer)

    async def _sealed(self, draft: Draft, raw: bytes) -> bytes:
        return await seal(self.encryptor, raw, self._binding(draft.session_id))

    async def _unsealed(self, session_id: str, record: bytes) -> bytes:
        try:
            return await unseal(self.encryptor, record, self._binding(session_id))
        except Exception as error:  # ciphers raise what they like; the reason names it
            raise DocumentError(f"{type(error).__name__} while decrypting") from error

    def _may_be_foreign(self, session_id: str) -> bool:
        # Another program's record is looked at before it is given a time to live.
        return self.store.traits.shares_namespace and not is_generated_id(session_id)

    def _refuse_foreign(self) -> None:
        if self.store.traits.shares_namespace:
            raise DocumentError("it has no metadata and may belong to another program")

    def _is_expired(self, metadata: SessionMetadata) -> bool:
        return self.lifetime.expired(metadata, time.time(), self.store.traits.expires)

    async def _expired(self, session_id: str, document: Document) -> Missing:
        events.session_expired(session_id, self.store)
        try:
            await self.remove(session_id, document)
        except Exception as error:  # noqa: BLE001  the session is refused either way
            events.store_failed(self.store, error, "an expired session was refused but could not be removed.")
        return Missing.EXPIRED

    def _binding(self, session_id: str) -> str | None:
        # Where the store chooses the id, it is not known before the data is encrypted.
        return session_id if self.store.traits.keeps_ids else None


def _as_bytes(answer: typing.Any) -> bytes:
    """Return what a store answered as bytes; other people's may return text, or an empty dictionary for nothing."""
    if isinstance(answer, str):
        return answer.encode()
    if isinstance(answer, (bytes, bytearray, memoryview)) or not answer:
        return bytes(answer or b"")
    raise DocumentError(f"the store answered with a {type(answer).__name__} where bytes were expected")
