"""Which sessions a user has, in Redis: one hash for each user, so that it works on a cluster as well."""

from __future__ import annotations

import itertools
import json
import time
import typing
from collections.abc import Callable

from redis.asyncio.cluster import RedisCluster

from starsessions import events
from starsessions.ids import hash_id
from starsessions.stores.redis_scripts import NOTE
from starsessions.stores.user_index import UserIndex, UserSession

if typing.TYPE_CHECKING:
    from starsessions.stores.redis_keys import SessionKeys

__all__ = ["RedisUserIndex"]

# Reading renews a session without touching its entry, which is therefore kept for a while longer.
_SPARE_SECONDS = 600
# Whoever gives a session a new id again and again cannot keep a revocation busy for ever.
_ROUNDS = 20

_FIELDS: dict[str, Callable[[typing.Any], typing.Any]] = {"name": str, "device": str, "created": float, "seen": float}
_Entries = dict[str, dict[str, typing.Any]]


class RedisUserIndex(UserIndex):
    """The index of a RedisStore."""

    def __init__(self, client: Callable[[], typing.Any], keys: SessionKeys, gc_ttl: int) -> None:
        self._client = client
        self._keys = keys
        self._gc_ttl = gc_ttl

    async def put(self, user_id: str, session_id: str, entry: UserSession, ttl: int) -> None:
        """Add or renew an entry, in one round trip."""
        seconds = (ttl or self._gc_ttl) + _SPARE_SECONDS
        now = int(time.time())
        content = {
            "name": self._keys.name(session_id),
            "device": entry.device,
            "created": entry.created,
            "seen": entry.last_seen,
            "ends": now + seconds,
        }
        await NOTE.run(
            self._client(), [self._keys.user(user_id)], now, hash_id(session_id), json.dumps(content), seconds
        )

    async def drop(self, user_id: str, session_id: str) -> None:
        """Delete an entry."""
        await self._client().hdel(self._keys.user(user_id), hash_id(session_id))

    async def entries(self, user_id: str) -> list[UserSession]:
        """Return the sessions that exist, and delete the entries of the others."""
        known = await self._known(user_id)
        keys = [self._keys.named(content["name"], handle) for handle, content in known.items()]
        async with self._client().pipeline(transaction=False) as pipeline:
            for key in itertools.chain(*keys):
                pipeline.exists(key)
            alive = _per_session(keys, await pipeline.execute() if known else [])
        ended = [handle for handle, there in zip(known, alive, strict=True) if not there]
        if ended:
            await self._client().hdel(self._keys.user(user_id), *ended)
        return [
            UserSession(handle, content["device"], content["created"], content["seen"])
            for (handle, content), there in zip(known.items(), alive, strict=True)
            if there
        ]

    async def revoke(self, user_id: str, chosen: Callable[[str], bool]) -> int:
        """Delete sessions and their entries in two round trips, however many there are.

        More are needed only if sessions of the user were given new ids at the same moment.
        """
        known, revoked = await self._known(user_id), 0
        for _ in range(_ROUNDS):
            doomed = {handle: content for handle, content in known.items() if chosen(handle)}
            if not doomed:
                break
            ended, known = await self._delete(user_id, doomed)
            revoked += ended
        return revoked

    async def _delete(self, user_id: str, doomed: _Entries) -> tuple[int, _Entries]:
        """Delete sessions and their entries; return how many there were, and the entries that are there now."""
        client, users_key = self._client(), self._keys.user(user_id)
        keys = [self._keys.named(content["name"], handle) for handle, content in doomed.items()]
        is_cluster = isinstance(client, RedisCluster)
        async with client.pipeline(transaction=not is_cluster) as pipeline:
            for key in itertools.chain(*keys):
                pipeline.delete(key)
            # Last: should the connection break on the way, the list still knows what is left.
            pipeline.hdel(users_key, *doomed)
            # A session that was renamed since the list was read has its new entry by now. The nodes of a cluster
            # answer independently of each other, so there it is looked up when all have.
            if not is_cluster:
                pipeline.hgetall(users_key)
            answers = await pipeline.execute()
        known = await self._known(user_id) if is_cluster else _entries(answers.pop())
        return sum(_per_session(keys, answers)), known

    async def _known(self, user_id: str) -> _Entries:
        return _entries(await self._client().hgetall(self._keys.user(user_id)))


def _per_session(keys: list[list[str]], answers: list[int]) -> list[bool]:
    """Tell for each session whether one of its keys was there."""
    found = iter(answers)
    return [sum(itertools.islice(found, len(of_session))) > 0 for of_session in keys]


def _entries(found: dict[typing.Any, typing.Any]) -> _Entries:
    """Return the entries that can be read. One that someone has damaged must not protect the others from an end."""
    read: _Entries = {}
    for handle, text in found.items():
        try:
            content = json.loads(text)
            read[_text(handle)] = {name: kind(content[name]) for name, kind in _FIELDS.items()}
        except (ValueError, TypeError, KeyError) as error:
            events.entry_discarded(type(error).__name__)
    return read


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode()
