"""Which sessions a user has: the interface, and the index of a store in memory."""

from __future__ import annotations

import abc
import dataclasses
import typing

from starsessions.ids import hash_id

if typing.TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MemoryUserIndex", "UserIndex", "UserSession"]


@dataclasses.dataclass(frozen=True, slots=True)
class UserSession:
    """A session as its user may see it.

    `handle` names it in `revoke_session`; it is no session id and opens nothing. `device` is a short form of the
    browser's User-Agent. `created` and `last_seen` are seconds since the epoch; `last_seen` is renewed every few
    minutes only. `current` marks the session of the request that asked.
    """

    handle: str
    device: str
    created: float
    last_seen: float
    current: bool = False


class UserIndex(abc.ABC):
    """Which sessions a user has. Entries of sessions that ended by themselves disappear by themselves."""

    @abc.abstractmethod
    async def put(self, user_id: str, session_id: str, entry: UserSession, ttl: int) -> None:
        """Note that `session_id` is a session of `user_id` for `ttl` seconds, 0 meaning no fixed end."""

    @abc.abstractmethod
    async def drop(self, user_id: str, session_id: str) -> None:
        """Forget the entry of `session_id`, if there is one. The session itself is left alone."""

    @abc.abstractmethod
    async def entries(self, user_id: str) -> list[UserSession]:
        """Return the user's sessions that still exist, in no particular order."""

    @abc.abstractmethod
    async def revoke(self, user_id: str, chosen: Callable[[str], bool]) -> int:
        """Delete the sessions whose handle is `chosen` together with their entries; return how many there were."""


class MemoryUserIndex(UserIndex):
    """The index of an InMemoryStore, which says what exists (`alive`) and deletes it (`delete`)."""

    def __init__(self, alive: Callable[[str], bool], delete: Callable[[str], None]) -> None:
        self._alive = alive
        self._delete = delete
        self._users: dict[str, dict[str, UserSession]] = {}
        self._owners: dict[str, str] = {}

    async def put(self, user_id: str, session_id: str, entry: UserSession, ttl: int) -> None:  # noqa: ARG002
        """Note that `session_id` is a session of `user_id` until `forget` is called."""
        self.forget(session_id)
        self._owners[session_id] = user_id
        self._users.setdefault(user_id, {})[session_id] = entry

    async def drop(self, user_id: str, session_id: str) -> None:  # noqa: ARG002  the interface
        """Forget the entry of `session_id`."""
        self.forget(session_id)

    async def entries(self, user_id: str) -> list[UserSession]:
        """Return the user's sessions that exist."""
        return [entry for key, entry in list(self._users.get(user_id, {}).items()) if self._alive(key)]

    async def revoke(self, user_id: str, chosen: Callable[[str], bool]) -> int:
        """Delete the chosen sessions."""
        doomed = [key for key in self._users.get(user_id, {}) if chosen(hash_id(key))]
        revoked = sum(map(self._alive, doomed))
        for key in doomed:
            self._delete(key)
            self.forget(key)
        return revoked

    def forget(self, session_id: str) -> None:
        """Forget whose session this was; the store calls it whenever a session leaves it."""
        user_id = self._owners.pop(session_id, None)
        if user_id is None:
            return
        of_user = self._users[user_id]
        del of_user[session_id]
        if not of_user:
            del self._users[user_id]
