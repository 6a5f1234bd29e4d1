"""Records in a store: sealed bytes below, session documents above.

Everything that goes to a store or comes from one passes through here; the handler decides what and when.
"""

from __future__ import annotations

import dataclasses
import time
import typing

from starsessions import events
from starsessions.document import Document, DocumentError, render
from starsessions.ids import is_generated_id
from starsessions.sealing import seal, unseal

if typing.TYPE_CHECKING:
    from starsessions.encryptors import Encryptor
    from starsessions.lifetime import Lifetime
    from starsessions.serializers import Serializer
    from starsessions.stores import SessionStore
    from starsessions.types import SessionMetadata

__all__ = ["Found", "Records"]

# A record without a fixed end, in a store that cannot renew it, is rewritten when it is older than this.
_REFRESH_SECONDS = 3600


@dataclasses.dataclass(slots=True)
class Found:
    """What reading gave: the `document`, if there is a good one.

    `unknown` says that the store has nothing under the id; with neither, a record is there that this session
    must leave alone. `renewed` says that the record's time to live began anew.
    """

    document: Document | None = None
    unknown: bool = False
    renewed: bool = False


@dataclasses.dataclass(slots=True)
class Records:
    """The records of one store, with the rules by which they are read and written."""

    store: SessionStore
    serializer: Serializer
    encryptor: Encryptor
    lifetime: Lifetime

    async def read(self, session_id: str) -> Found:
        """Return the session stored under `session_id` as far as it can be used; raise the store's errors."""
        renews = self._may_renew(session_id)
        method = self.store.renew if renews else self.store.read
        stored = _as_bytes(await method(session_id=session_id, lifetime=self.lifetime.seconds))
        if not stored:
            return Found(unknown=True)
        try:
            plain = await unseal(self.encryptor, stored, self._binding(session_id))
            document = self._checked(session_id, Document.parse(plain, self.serializer))
        except DocumentError as error:
            return self._unusable(session_id, str(error))
        except Exception as error:  # noqa: BLE001  ciphers raise what they like; the event names it
            return self._unusable(session_id, f"{type(error).__name__} while decrypting")
        return await self._unless_expired(session_id, document, renews)

    async def write(
        self, session_id: str, old_id: str | None, session: dict[str, typing.Any], metadata: SessionMetadata, ttl: int
    ) -> tuple[str, Document]:
        """Store the session, deleting its record under `old_id`; return the id and what is stored now."""
        raw = render(session, metadata, self.serializer)
        data = await seal(self.encryptor, raw, self._binding(session_id))
        seconds = self.lifetime.seconds
        if old_id is None:
            new_id = await self.store.write(session_id=session_id, data=data, lifetime=seconds, ttl=ttl)
        else:
            new_id = await self.store.replace([old_id], session_id, data, lifetime=seconds, ttl=ttl)
        return new_id, Document(raw, {}, metadata)

    def is_due(self, document: Document) -> bool:
        """Tell whether an unchanged record that was not renewed must be written again to live on."""
        if self.lifetime.rolling:
            return True
        if self.lifetime.seconds or document.metadata is None or self.store.traits.cookie_limit is not None:
            return False
        return time.time() - document.metadata["last_access"] > _REFRESH_SECONDS

    def _may_renew(self, session_id: str) -> bool:
        # Sessions without a fixed end live for some time after their last use, as rolling ones do. What may be
        # another program's record is looked at before it is given a time to live.
        traits = self.store.traits
        renewable = self.lifetime.rolling or not self.lifetime.seconds
        return traits.renews and renewable and (not traits.shares_namespace or is_generated_id(session_id))

    def _checked(self, session_id: str, document: Document) -> Document:
        foreign = self.store.traits.shares_namespace and not is_generated_id(session_id)
        if document.metadata is None and foreign:
            raise DocumentError("it has no metadata and may belong to another program")
        return document

    async def _unless_expired(self, session_id: str, document: Document, renewed: bool) -> Found:
        expires = self.store.traits.expires
        metadata = document.metadata
        if metadata and self.lifetime.expired(metadata, time.time(), store_expires=expires):
            await self.store.remove(session_id)
            events.session_expired(session_id, self.store)
            return Found()
        return Found(document, renewed=renewed)

    def _unusable(self, session_id: str, reason: str) -> Found:
        events.session_discarded(session_id, self.store, reason)
        return Found()

    def _binding(self, session_id: str) -> str | None:
        # Where the store chooses the id, it is not known before the data is encrypted.
        return session_id if self.store.traits.keeps_ids else None


def _as_bytes(stored: typing.Any) -> bytes:
    # Stores of other people's may return text, or an empty dictionary for nothing.
    return stored.encode() if isinstance(stored, str) else bytes(stored or b"")
