"""Connections to Redis that break in the middle of something."""

import asyncio
from contextlib import aclosing, asynccontextmanager

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from starlette.responses import Response

from pentad_config import Secret
from starsessions import regenerate_session_id
from starsessions.exceptions import SessionStoreTimeout
from starsessions.failures import StoreCalls
from starsessions.stores.base import digest_of
from starsessions.stores.redis import RedisStore

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def client_behind(redis_url, arrived, **options):
    """A client whose answers from Redis go through `await arrived(answer)`, which may raise to break the connection."""
    redis = Redis.from_url(redis_url)
    address = redis.connection_pool.connection_kwargs["host"], redis.connection_pool.connection_kwargs["port"]

    async def forward(source, target, look):
        try:
            while data := await source.read(65536):
                await look(data)
                target.write(data)
        finally:
            target.close()

    async def ignore(_data):
        pass

    async def proxy(reader, writer):
        server_reader, server_writer = await asyncio.open_connection(*address)
        both = forward(reader, server_writer, ignore), forward(server_reader, writer, arrived)
        await asyncio.gather(*both, return_exceptions=True)

    server = await asyncio.start_server(proxy, "127.0.0.1", 0)
    client = Redis.from_url(redis_url, **options)
    client.connection_pool.connection_kwargs["host"] = "127.0.0.1"
    client.connection_pool.connection_kwargs["port"] = server.sockets[0].getsockname()[1]
    try:
        yield client
    finally:
        await client.aclose()
        await redis.aclose()
        server.close()


async def test_an_interrupted_command_leaves_no_half_read_connection(redis_client, redis_url):
    """After a timeout in the middle of an answer the next command gets its own answer, not the late one."""
    await redis_client.set("starsessions.slow", b"late answer")
    await redis_client.set("starsessions.next", b"own answer")
    delayed, released = asyncio.Event(), asyncio.Event()

    async def hold(data):
        if b"late answer" in data:
            delayed.set()
            await released.wait()

    async with client_behind(redis_url, hold) as client, asyncio.timeout(300):
        store = RedisStore(connection=client)
        while not delayed.is_set():  # a busy machine may take longer than that to get there
            with pytest.raises(SessionStoreTimeout):
                await StoreCalls(timeout=0.2)(store.read, "slow", 60)
        released.set()
        for _ in range(3):
            assert await store.read("next", 60) == b"own answer"


@pytest.mark.parametrize("path", ["/login", "/update?b=2", "/clear"])
async def test_an_answer_that_was_lost(make_site, redis_client, redis_url, path):
    """What a client asks again because its connection broke is not taken for what another request has done."""
    broken = []

    async def lose(data):
        if broken == [None]:
            broken.append(data)
            raise ConnectionResetError

    retry = {"retry": Retry(NoBackoff(), 3), "retry_on_error": [RedisConnectionError]}
    async with client_behind(redis_url, lose, **retry) as client:
        site = make_site(RedisStore(connection=client), lifetime=60)

        @site.view
        async def login(request):
            regenerate_session_id(request)
            return Response()

        name = path.partition("?")[0].removeprefix("/")
        view = site.views[name]

        async def break_after(request):
            answer = await view(request)
            broken.append(None)  # the next answer, to what this request stores
            return answer

        async with site.visitor() as visitor:
            await visitor.get("/update?a=1")
            await visitor.get("/login")  # Redis knows the script from now on
            site.views[name] = break_after
            await visitor.get(path)
            expected = {"/login": {"a": "1"}, "/update?b=2": {"a": "1", "b": "2"}, "/clear": {}}[path]
            assert (await visitor.get("/show")).json() == expected
    assert len(broken) == 2


async def test_connections_that_died_with_a_server_fail_nothing(redis_client, redis_url):
    """Of the client that the store makes itself: a whole pool of them is replaced as it is used."""
    ids = [f"session-{number}" for number in range(10)]

    async def others():
        return len(await redis_client.client_list(_type="normal")) - 1

    async with aclosing(RedisStore(url=Secret(redis_url, name="redis url"))) as store:
        await redis_client.client_pause(60_000, all=False)  # writes wait, so each of them has a connection of its own
        writing = asyncio.gather(*(store.write(session_id, b"record", 60, 60) for session_id in ids))
        while await others() < len(ids):
            pass  # each question is a round trip
        await redis_client.client_unpause()
        await writing
        assert await redis_client.client_kill_filter(_type="normal", skipme=True) == len(ids)
        assert await asyncio.gather(*(store.read(session_id, 60) for session_id in ids)) == [b"record"] * len(ids)
        assert await redis_client.client_kill_filter(_type="normal", skipme=True) > 0
        swapped = (store.swap(one, b"new", 60, 60, old_id=one, digest=digest_of(b"record")) for one in ids)
        assert await asyncio.gather(*swapped) == [None] * len(ids)
