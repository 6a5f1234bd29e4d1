"""Under which keys a session is kept in Redis: its id in clear, hashed, or on the way from one to the other."""

from __future__ import annotations

import typing
from collections.abc import Callable

from starsessions.exceptions import ImproperlyConfigured
from starsessions.ids import hash_id

__all__ = ["HashIds", "Prefix", "SessionKeys", "prefix_factory"]

Prefix = str | Callable[[str], str]
HashIds = typing.Literal["never", "read", "migrate", "always"]

# Neither can be the beginning of an id that a cookie brings: a key name that was copied from the server is
# therefore never looked up, not even while plain ids are still accepted.
_HASHED = "#"
_USER = "@"
_RENAMED = ">"


def prefix_factory(prefix: Prefix, key: str) -> str:
    """Return the Redis key of a session: `prefix` before the id, or what the callable makes of the id."""
    return prefix(key) if callable(prefix) else prefix + key


class SessionKeys:
    """Makes key names, following one stage of the way to hashed ids (see RedisStore)."""

    def __init__(self, prefix: Prefix, stage: HashIds) -> None:
        if stage not in typing.get_args(HashIds):
            raise ImproperlyConfigured(f"hash_ids: {stage!r} is not one of never, read, migrate, always.")
        if not (isinstance(prefix, str) or callable(prefix)):
            raise ImproperlyConfigured(f"prefix: a text or a callable is needed, not a {type(prefix).__name__}.")
        self.prefix = prefix
        self._stage = stage

    def written(self, session_id: str) -> str:
        """Return the key that the session is stored under."""
        return self._key(session_id if self._stage in {"never", "read"} else _HASHED + hash_id(session_id))

    def searched(self, session_id: str) -> list[str]:
        """Return the keys that the session may be under; the one it is stored under comes first."""
        if self._stage in {"never", "always"}:
            return [self.written(session_id)]
        plain, hashed = self._key(session_id), self._key(_HASHED + hash_id(session_id))
        return [plain, hashed] if self._stage == "read" else [hashed, plain]

    def name(self, session_id: str) -> str:
        """Return what a list of sessions has to know to find the key: the id, as long as it may be under it."""
        # At "migrate" servers of the stage before may move a record back to its plain key.
        return _HASHED + hash_id(session_id) if self._stage == "always" else session_id

    def named(self, name: str, handle: str) -> list[str]:
        """Return the keys of a session that was stored under `name` and may be hashed by now."""
        return list(dict.fromkeys([self._key(name), self._key(_HASHED + handle)]))

    def keys_of(self, name: str) -> list[str]:
        """Return the keys of the session with this `name`."""
        return self.named(name, name[len(_HASHED) :] if name.startswith(_HASHED) else hash_id(name))

    def renamed(self, key: str) -> str:
        """Return the key that tells what became of the session under `key`, in the same slot of a cluster."""
        has_hash_tag = "{" in key and "}" in key.partition("{")[2]
        return key + _RENAMED if has_hash_tag else f"{key}{_RENAMED}{{{key}}}"

    def user(self, user_id: str) -> str:
        """Return the key of a user's list of sessions. User ids may hold anything; here they are hashed."""
        return self._key(_USER + hash_id(user_id))

    def _key(self, name: str) -> str:
        return prefix_factory(self.prefix, name)
