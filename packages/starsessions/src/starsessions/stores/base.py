"""The interface of a session store."""

from __future__ import annotations

import abc
import dataclasses
import hashlib
import typing

from starsessions.exceptions import ImproperlyConfigured
from starsessions.ids import is_acceptable_id
from starsessions.lifetime import LONGEST_LIFETIME

if typing.TYPE_CHECKING:
    from starsessions.stores.user_index import UserIndex

__all__ = ["SessionStore", "StoreTraits", "checked_count", "checked_gc_ttl", "digest_of"]

_SHA1 = hashlib.sha1(usedforsecurity=False)  # looking an algorithm up takes longer than it does


def digest_of(record: bytes) -> str:
    """Return what `swap` knows a record by: 40 hexadecimal digits, which Redis can compute as well."""
    # Nothing is trusted because of this digest: whoever made two records collide would overwrite only their own change.
    digest = _SHA1.copy()
    digest.update(record)
    return digest.hexdigest()


def checked_gc_ttl(seconds: typing.Any) -> int:
    """Return how long a store keeps sessions without a fixed end. Raises ImproperlyConfigured."""
    return checked_count("gc_ttl", seconds, "a whole number of seconds", LONGEST_LIFETIME)


def checked_count(option: str, number: typing.Any, wanted: str, most: int | None = None) -> int:
    """Return a whole number from 1 on. Raises ImproperlyConfigured, which names the option."""
    if type(number) is not int or number < 1 or (most is not None and number > most):
        limit = "at least 1" if most is None else f"from 1 to {most}"
        raise ImproperlyConfigured(f"{option}: {wanted} is needed, {limit}, not {number!r}.")
    return number


@dataclasses.dataclass(frozen=True, slots=True)
class StoreTraits:
    """What a store promises beyond the three methods that every store has.

    keeps_ids: `write` stores under the id it is given and returns that id.
    expires: records that were neither written nor renewed within their ttl are gone.
    renews: `renew` is implemented.
    compares: `swap` is implemented, so that requests at the same time cannot undo each other's changes.
    follows: `remove` ends a session that `swap` has lately given another id as well.
    in_process: its methods never wait, so nothing has to be done about a store that does not answer.
    shares_namespace: other programs may keep other things under the same kind of keys.
    cookie_limit: the record itself travels in the cookie, whose name and value may have so many bytes.
    """

    keeps_ids: bool = False
    expires: bool = False
    renews: bool = False
    compares: bool = False
    follows: bool = False
    in_process: bool = False
    shares_namespace: bool = False
    cookie_limit: int | None = None


class SessionStore(abc.ABC):
    """Where sessions are kept. Extend it and implement `read`, `write` and `remove`.

    The other methods have defaults that are made of these three; override them where the store can do the
    same in fewer steps.
    """

    traits: StoreTraits = StoreTraits()
    users: UserIndex | None = None
    """Knows which sessions a user has (`starsessions.users`); None for a store that does not keep that."""

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
        """Delete the record of `session_id`. A missing record is no error.

        If `traits.follows`, a record that was given another id by `swap` meanwhile is deleted there: whoever logs
        out may have read it before. The store remembers that for longer than requests take.
        """

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

    async def swap(
        self, session_id: str, data: bytes | None, lifetime: int, ttl: int, *, old_id: str, digest: str
    ) -> bytes | None:
        """Store `data` under `session_id` if the record of `old_id` is still the one that was read.

        `digest` is `digest_of` that record, or empty if there was none. Both ids may be the same; if not, the
        record of `old_id` is deleted. With None as `data` it is deleted and nothing is stored. All of it happens
        at once or, where a cluster cannot do so, in an order that leaves no more than one record.

        Returns None if that was done. Otherwise nothing has changed, and the record that is there now is returned:
        empty bytes if there is none. Called in place of `write`, `replace` and `remove`, if `traits.compares`.
        """
        raise NotImplementedError(f"{type(self).__name__} says that it compares, but does not implement swap().")

    def is_outdated(self, session_id: str) -> bool:  # noqa: ARG002  the interface
        """Tell whether the record that was read from `session_id` should be written anew, though it did not change.

        Asked where the record travels in the cookie: it is true for one that was signed with an older key.
        """
        return False

    def accepts_id(self, session_id: str) -> bool:
        """Tell whether `session_id`, as a cookie brought it, may be looked up at all."""
        return is_acceptable_id(session_id)
