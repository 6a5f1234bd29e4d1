"""Sessions in Redis or Valkey. Requires the `redis` extra and a server of version 6.2 or later."""

from __future__ import annotations

import asyncio
import typing
import warnings
from collections.abc import Awaitable, Callable, Sequence

from redis import Redis as SyncRedis
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.connection import parse_url
from redis.exceptions import ResponseError

from pentad_config import Secret
from pentad_config.redis import RedisCredentials
from starsessions.exceptions import ImproperlyConfigured
from starsessions.stores.base import SessionStore, StoreTraits

__all__ = ["RedisStore", "prefix_factory"]

Prefix = str | Callable[[str], str]
_REFERENCES = ("env:", "file:")


def prefix_factory(prefix: Prefix, key: str) -> str:
    """Return the Redis key of a session: `prefix` before the id, or what the callable makes of the id."""
    return prefix(key) if callable(prefix) else prefix + key


class RedisStore(SessionStore):
    """Keep sessions in Redis.

    Give either `connection`, an asyncio client that the application closes, or `url`: a `Secret`, or a text
    `env:NAME` or `file:/path` that says where the URL is. Its password is held as a Secret and asked for at
    every new connection, so it may change; `aclose()` closes the client, which is made at the first use. A
    plain URL works as well but is deprecated: it puts the password into the source.

    `prefix` comes before the session id in a key; a callable makes the key from the id. `gc_ttl` is how many
    seconds a session without a fixed end (`lifetime=0`) is kept after its last use.
    """

    traits = StoreTraits(keeps_ids=True, expires=True, renews=True, shares_namespace=True)

    def __init__(
        self,
        url: str | Secret | None = None,
        connection: Redis | RedisCluster | None = None,
        prefix: Prefix = "starsessions.",
        gc_ttl: int = 3600 * 24 * 30,
    ) -> None:
        if url is None and connection is None:
            raise ImproperlyConfigured("Either 'url' or 'connection' arguments must be provided.")
        if isinstance(connection, SyncRedis):
            raise ImproperlyConfigured("connection: a client from redis.asyncio is needed, not the blocking one.")
        self.prefix = prefix
        self.gc_ttl = gc_ttl
        self._url = None if connection is not None else _as_secret(url)
        self._connection: typing.Any = connection
        self._loop: asyncio.AbstractEventLoop | None = None

    async def read(self, session_id: str, lifetime: int) -> bytes:  # noqa: ARG002  the interface
        """Return the record of `session_id`, or empty bytes if there is none."""
        return await _stored(self._client().get(self._key(session_id)))

    async def renew(self, session_id: str, lifetime: int) -> bytes:
        """Return the record of `session_id` and let it live for another `lifetime` seconds, in one command."""
        return await _stored(self._client().getex(self._key(session_id), ex=self._seconds(lifetime, lifetime)))

    async def write(self, session_id: str, data: bytes, lifetime: int, ttl: int) -> str:
        """Store `data` for `ttl` seconds, or for `gc_ttl` if the lifetime is 0."""
        await self._client().set(self._key(session_id), data, ex=self._seconds(lifetime, ttl))
        return session_id

    async def remove(self, session_id: str) -> None:
        """Delete the record of `session_id`, if there is one."""
        await self._client().delete(self._key(session_id))

    async def replace(self, session_ids: Sequence[str], session_id: str, data: bytes, lifetime: int, ttl: int) -> str:
        """Store `data` under a new id and delete the old records, in one round trip and one transaction."""
        client = self._client()
        old_keys = [self._key(old) for old in session_ids if old != session_id]
        # The keys of a cluster may be on different nodes, where no transaction spans both.
        async with client.pipeline(transaction=not isinstance(client, RedisCluster)) as pipeline:
            pipeline.set(self._key(session_id), data, ex=self._seconds(lifetime, ttl))
            for key in old_keys:
                pipeline.delete(key)
            await pipeline.execute()
        return session_id

    async def exists(self, session_id: str) -> bool:
        """Tell whether `session_id` has a record."""
        return bool(await self._client().exists(self._key(session_id)))

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

    def _key(self, session_id: str) -> str:
        return prefix_factory(self.prefix, session_id)

    def _seconds(self, lifetime: int, ttl: int) -> int:
        return max(1, ttl) if lifetime else self.gc_ttl


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
    options: dict[str, typing.Any] = dict(parse_url(url.text()))
    username = options.pop("username", None)
    if options.pop("password", None) is not None:
        password = Secret(lambda: parse_url(url.text())["password"], name="redis password")
        options["credential_provider"] = RedisCredentials(password, username)
    return Redis.from_pool(ConnectionPool(**options))


async def _stored(answer: Awaitable[bytes | str | None]) -> bytes:
    """Return the bytes that Redis answers with; clients with `decode_responses` give text."""
    try:
        value = await answer
    except ResponseError as error:
        if str(error).startswith("WRONGTYPE"):  # a list or hash of another program's: no session of ours
            return b""
        raise
    return value.encode() if isinstance(value, str) else value or b""
