"""Sessions on a Redis that Sentinel watches: they go on when the master dies."""

import asyncio
import secrets

import httpx
import pytest
from redis.asyncio import Redis
from redis.asyncio.sentinel import Sentinel
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from starlette.responses import JSONResponse

from starsessions.stores.redis import RedisStore
from starsessions.updates import increment

pytestmark = pytest.mark.anyio

PASSWORD = secrets.token_hex(16)


@pytest.fixture(scope="module")
def watched(redis_servers):
    """A master, its replica and a Sentinel that watches them; returns the master's process and Sentinel's port."""
    master, replica, watcher = redis_servers.free_ports(3)
    credentials = {"requirepass": PASSWORD, "masterauth": PASSWORD}
    process = redis_servers.start(port=master, **credentials)
    redis_servers.start(port=replica, replicaof=f"127.0.0.1 {master}", **credentials)

    async def ready():
        async with Redis(port=replica, password=PASSWORD) as client:

            async def in_step():
                return (await client.info("replication"))["master_link_status"] == "up"

            await redis_servers.until(in_step, RedisConnectionError, ResponseError)
        redis_servers.start(
            f"sentinel monitor sessions 127.0.0.1 {master} 1",
            f"sentinel auth-pass sessions {PASSWORD}",
            "sentinel down-after-milliseconds sessions 2000",
            "sentinel failover-timeout sessions 5000",
            port=watcher,
            mode="--sentinel",
        )
        async with Redis(port=watcher) as client:

            async def knows_the_replica():
                return await client.execute_command("SENTINEL", "REPLICAS", "sessions")

            await redis_servers.until(knows_the_replica, RedisConnectionError, ResponseError)

    asyncio.run(ready())
    return process, watcher


async def test_sessions_survive_a_failover(make_site, redis_servers, watched):
    """When the master dies, visitors get 503 until Sentinel has made the replica master; then their sessions go on."""
    master, watcher = watched
    sentinel = Sentinel([("127.0.0.1", watcher)], socket_timeout=1)
    client = sentinel.master_for("sessions", password=PASSWORD, socket_timeout=1)
    options = {"lifetime": 600, "rolling": True, "on_store_failure": "unavailable"}
    site = make_site(RedisStore(connection=client), **options)

    @site.view
    async def count(request):
        return JSONResponse(await increment(request, "n"))

    statuses = set()

    async def served(path):
        """Visit until there is an answer: a busy machine may take servers for dead that are only slow."""

        async def answer():
            found = await visitor.get(path)
            statuses.add(found.status_code)
            return found if found.status_code == httpx.codes.OK else None

        return await redis_servers.until(answer)

    async with site.visitor() as visitor:
        await served("/update?name=Ada")
        await served("/update?cart=1")
        counted = (await served("/count")).json()
        assert await client.execute_command("WAIT", 1, 30_000) == 1
        master.kill()
        assert (await served("/show")).json() == {"name": "Ada", "cart": "1", "n": counted}
        assert (await served("/count")).json() > counted  # by a script that the new master has not seen before
        await served("/clear")
        assert (await served("/show")).json() == {}
        assert statuses <= {200, 503}
    await client.aclose()
    await sentinel.sentinels[0].aclose()
