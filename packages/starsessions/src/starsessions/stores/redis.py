"""Sessions in Redis or Valkey. Requires the `redis` extra and a server of version 6.2 or later."""

from __future__ import annotations

import asyncio
import contextlib
import typing
import warnings
from collections.abc import Awaitable, Sequence

from pentad_config import ConfigError, Secret
from starsessions.extras import from_extra

with from_extra("redis"):
    from redis import Redis as SyncRedis
    from redis.asyncio import ConnectionPool, Redis
    from redis.asyncio.cluster import RedisCluster
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.cluster import RedisCluster as SyncRedisCluster
    from redis.exceptions import ConnectionError as RedisConnectionError
    from redis.exceptions import ResponseError

from pentad_config.redis import RedisCredentials
from starsessions.exceptions import ImproperlyConfigured
from starsessions.stores.base import SessionStore, StoreTraits, checked_gc_ttl
from starsessions.stores.redis_keys import HashIds, Prefix, SessionKeys, prefix_factory
from starsessions.stores.redis_scripts import SWAP
from starsessions.stores.redis_url import redis_options
from starsessions.stores.redis_users import RedisUserIndex

__all__ = ["RedisStore", "prefix_factory"]

_REFERENCES = ("env:", "file:")
_DECODES = (
    "connection: the client has decode_responses=True, which makes text of every answer, and a record is none: "
    "encrypted ones seldom are. Give the store a client without it."
)
_RENAMED_SECONDS = 3600  # longer than requests last, which may end what others have renamed since they began


class RedisStore(SessionStore):
    """Keep sessions in Redis.

    Give either `connection`, an asyncio client that the application closes, or `url`: a `Secret`, or a text
    `env:NAME` or `file:/path` that says where the URL is. Its password is held as a Secret and asked for at
    every new connection, so it may change; `aclose()` closes the client, which is made at the first use. A
    plain URL works as well but is deprecated: it puts the password into the source.

    `prefix` comes before the session id in a key; a callable makes the key from the id. `gc_ttl` is how many
    seconds a session without a fixed end (`lifetime=0`) is kept after its last use.

    `hash_ids="always"` keeps a hash in the place of the id, so that whoever sees the names of the keys cannot use
    the sessions. Servers that run already go there in steps, each rolled out everywhere before the next, and
    nobody is logged out: "never" (plain ids, the default), "read" (finds both, stores plain), "migrate" (finds
    both, stores hashed), and "always" when the sessions that were not used since have ended.
    """

    traits = StoreTraits(keeps_ids=True, expires=True, renews=True, compares=True, follows=True, shares_namespace=True)

    def __init__(
        self,
        url: str | Secret | None = None,
        connection: Redis | RedisCluster | None = None,
        prefix: Prefix = "starsessions.",
        gc_ttl: int = 3600 * 24 * 30,
        *,
        hash_ids: HashIds = "never",
    ) -> None:
        if url is None and connection is None:
            raise ImproperlyConfigured("Either 'url' or 'connection' arguments must be provided.")
        if url is not None and connection is not None:
            raise ImproperlyConfigured(
                "Give either 'url' or 'connection', not both: which of them is meant is not clear."
            )
        _check_connection(connection)
        self.prefix = prefix
        self.gc_ttl = checked_gc_ttl(gc_ttl)
        self.keys = SessionKeys(prefix, hash_ids)
        self.users: RedisUserIndex = RedisUserIndex(self._client, self.keys, gc_ttl)
        is_text = isinstance(url, str)
        self._url = None if url is None else _as_secret(url)
        del url  # a traceback with local variables would show it
        if is_text and self._url is not None:
            with contextlib.suppress(ConfigError):  # what a reference names may be there later
                redis_options(self._url)
        self._connection: typing.Any = connection
        self._loop: asyncio.AbstractEventLoop | None = None

    async def read(self, session_id: str, lifetime: int) -> bytes:  # noqa: ARG002  the interface
        """Return the record of `session_id`, or empty bytes if there is none."""
        return await self._first(self.keys.searched(session_id), "get")

    async def renew(self, session_id: str, lifetime: int) -> bytes:
        """Return the record of `session_id` and let it live for another `lifetime` seconds, in one command."""
        seconds = self._seconds(lifetime, lifetime)
        return await self._first(self.keys.searched(session_id), "getex", ex=seconds)

    async def write(self, session_id: str, data: bytes, lifetime: int, ttl: int) -> str:
        """Store `data` for `ttl` seconds, or for `gc_ttl` if the lifetime is 0."""
        await self._client().set(self.keys.written(session_id), data, ex=self._seconds(lifetime, ttl))
        return session_id

    async def remove(self, session_id: str) -> None:
        """Delete the record of `session_id`, or of the id that the session was given meanwhile."""
        client, keys = self._client(), self.keys.searched(session_id)
        while keys and not await client.delete(*keys):
            names = [_record(await client.getdel(self.keys.renamed(key))).decode() for key in keys]
            keys = [key for name in names if name for key in self.keys.keys_of(name)]

    async def swap(
        self, session_id: str, data: bytes | None, lifetime: int, ttl: int, *, old_id: str, digest: str
    ) -> bytes | None:
        """Store `data` if the record of `old_id` is still the one with this digest; else return what is there.

        That is one script and one round trip. On a cluster whose keys are in different slots the old record is
        removed first and the new one stored then: whatever happens in between, there are never two.
        """
        client = self._client()
        target, sources = self.keys.written(session_id), self.keys.searched(old_id)
        seconds = 0 if data is None else self._seconds(lifetime, ttl)
        is_renamed = data is not None and session_id != old_id
        note = (self.keys.name(session_id), _RENAMED_SECONDS) if is_renamed else ()
        keys = [target, *sources, *(self.keys.renamed(source) for source in sources if is_renamed)]
        if _in_one_slot(client, keys):
            return await _present(SWAP.run(client, keys, digest, seconds, data or b"", *note))
        if target in sources:
            present = await _present(SWAP.run(client, [target, target], digest, seconds, data or b""))
            if present != b"":
                return present
            sources.remove(target)
        return await self._move(sources, target, digest, data, seconds, note)

    async def _move(
        self,
        sources: list[str],
        target: str,
        digest: str,
        data: bytes | None,
        seconds: int,
        note: tuple[str | int, ...],
    ) -> bytes | None:
        """Do what `swap` does with keys that are in different slots."""
        client = self._client()
        for source in sources:
            trace = [self.keys.renamed(source)] if note else []
            present = await _present(SWAP.run(client, [source, source, *trace], digest, 0, b"", *note))
            if present is None and data is not None:
                await client.set(target, data, ex=seconds)
                if digest and trace and not await client.exists(*trace):
                    await client.delete(target)  # a logout came in between and did not find it
                    return b""
            if present != b"":
                return present
        return b""

    async def exists(self, session_id: str) -> bool:
        """Tell whether `session_id` has a record."""
        return bool(await self._client().exists(*self.keys.searched(session_id)))

    async def aclose(self) -> None:
        """Close the client that was made from `url`; a `connection` is the application's to close."""
        if self._url is not None and self._connection is not None:
            connection, self._connection, self._loop = self._connection, None, None
            await connection.aclose()

    def _client(self) -> typing.Any:
        if self._url is None:
            return self._connection
        # Sockets belong to the event loop that opened them; test clients and reloaders run several loops.
        loop = asyncio.get_running_loop()
        if self._connection is None or self._loop is not loop:
            self._connection, self._loop = _connect(self._url), loop
        return self._connection

    async def _first(self, keys: list[str], command: str, **options: typing.Any) -> bytes:
        """Return what the first key holds that is there, all of them asked for in one round trip."""
        client = self._client()
        try:
            if len(keys) == 1:
                return _record(await getattr(client, command)(keys[0], **options))
            async with client.pipeline(transaction=False) as pipeline:
                for key in keys:
                    getattr(pipeline, command)(key, **options)
                answers = await pipeline.execute(raise_on_error=False)
        except ResponseError as error:
            return _record(error)
        except UnicodeDecodeError:
            raise ImproperlyConfigured(_DECODES) from None
        return next((record for record in map(_record, answers) if record), b"")

    def _seconds(self, lifetime: int, ttl: int) -> int:
        if lifetime:
            return max(1, ttl)
        return min(ttl, self.gc_ttl) if ttl > 0 else self.gc_ttl


def _check_connection(connection: object) -> None:
    if isinstance(connection, (SyncRedis, SyncRedisCluster)):
        raise ImproperlyConfigured("connection: a client from redis.asyncio is needed, not the blocking one.")
    if isinstance(connection, (str, bytes, Secret)):
        raise ImproperlyConfigured("connection: a client from redis.asyncio is needed; give a URL as `url`.")


def _as_secret(url: str | Secret | None) -> Secret:
    if isinstance(url, Secret):
        return url
    if not isinstance(url, str):
        raise ImproperlyConfigured(f"url: a text or a Secret is needed, not {type(url).__name__}.")
    if not url.startswith(_REFERENCES):
        warnings.warn(
            "RedisStore(url=...) with a plain URL is deprecated: pass a Secret or 'env:NAME', "
            "or a client as 'connection' and close it when the application shuts down.",
            DeprecationWarning,
            stacklevel=3,
        )
    return Secret.at(url, name="redis url")


def _connect(url: Secret) -> typing.Any:
    options = redis_options(url)
    username = options.pop("username", None)
    if options.pop("password", None) is not None:
        password = Secret(lambda: redis_options(url)["password"], name="redis password")
        options["credential_provider"] = RedisCredentials(password, username)
    # A restarted server leaves a pool of dead connections, and each is noticed when it is used. Asking twice does no
    # harm: a changed session is stored only on top of what it was made from.
    again = Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))
    return Redis.from_pool(ConnectionPool(**{"retry": again, "retry_on_error": [RedisConnectionError], **options}))


def _in_one_slot(client: typing.Any, keys: Sequence[str]) -> bool:
    return not isinstance(client, RedisCluster) or len({client.keyslot(key) for key in keys}) == 1


async def _answer(answer: Awaitable[typing.Any]) -> typing.Any:
    try:
        return await answer
    except ResponseError as error:
        return error
    except UnicodeDecodeError:
        raise ImproperlyConfigured(_DECODES) from None


def _record(answer: typing.Any) -> bytes:
    """Return the bytes that Redis answered with; clients with `decode_responses` give text."""
    if type(answer) is bytes:
        return answer
    if isinstance(answer, ResponseError) and "WRONGTYPE" in str(answer):
        return b""  # a list or hash of another program's: no session of ours
    if isinstance(answer, Exception):
        raise answer
    return answer.encode() if isinstance(answer, str) else answer or b""


async def _present(answer: Awaitable[typing.Any]) -> bytes | None:
    found = await _answer(answer)
    return None if found is None else _record(found)
