"""The interface of a session store."""

from __future__ import annotations

import abc
import dataclasses
import typing

from starsessions.ids import is_acceptable_id

__all__ = ["SessionStore", "StoreTraits"]


@dataclasses.dataclass(frozen=True, slots=True)
class StoreTraits:
    """What a store promises beyond the three methods that every store has.

    keeps_ids: `write` stores under the id it is given and returns that id.
    expires: records that were neither written nor renewed within their ttl are gone.
    renews: `renew` is implemented.
    shares_namespace: other programs may keep other things under the same kind of keys.
    cookie_limit: the record itself travels in the cookie, whose name and value may have so many bytes.
    """

    keeps_ids: bool = False
    expires: bool = False
    renews: bool = False
    shares_namespace: bool = False
    cookie_limit: int | None = None


class SessionStore(abc.ABC):
    """Where sessions are kept. Extend it and implement `read`, `write` and `remove`.

    The other methods have defaults that are made of these three; override them where the store can do the
    same in fewer steps.
    """

    traits: StoreTraits = StoreTraits()

    @abc.abstractmethod
    async def read(self, session_id: str, lifetime: int) -> bytes:
        """Return the record of `session_id`, or empty bytes if there is none.

        `lifetime` is the session's whole duration in seconds, 0 meaning until the browser is closed.
        """

    @abc.abstractmethod
    async def write(self, session_id: str, data: bytes, lifetime: int, ttl: int) -> str:
        """Store `data` and return the session's id.

        `ttl` is how many seconds of the session's `lifetime` are left; afterwards the record may be deleted.
        Both are 0 for a session without a fixed end: choose how long to keep such a record.
        """

    @abc.abstractmethod
    async def remove(self, session_id: str) -> None:
        """Delete the record of `session_id`. A missing record is no error."""

    async def renew(self, session_id: str, lifetime: int) -> bytes:
        """Return the record of `session_id` and let it live for another `lifetime` seconds.

        Called in place of `read` for rolling sessions and for those without a fixed end, if `traits.renews`.
        """
        return await self.read(session_id=session_id, lifetime=lifetime)

    async def replace(
        self, session_ids: typing.Sequence[str], session_id: str, data: bytes, lifetime: int, ttl: int
    ) -> str:
        """Store `data` under a new id and delete the records of the `session_ids` it had before."""
        new_id = await self.write(session_id=session_id, data=data, lifetime=lifetime, ttl=ttl)
        for old_id in session_ids:
            if old_id != new_id:
                await self.remove(old_id)
        return new_id

    def accepts_id(self, session_id: str) -> bool:
        """Tell whether `session_id`, as a cookie brought it, may be looked up at all."""
        return is_acceptable_id(session_id)
