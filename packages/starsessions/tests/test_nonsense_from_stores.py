"""Stores and servers that answer nonsense."""

import asyncio

import pytest
from redis.asyncio import Redis

from starsessions.exceptions import SessionError
from starsessions.stores.redis import RedisStore

pytestmark = pytest.mark.anyio

COOKIE = {"cookie": "session=" + "0" * 32}


@pytest.mark.parametrize("nonsense", [7, 10**12, ["a"], {"a": 1}, object(), 1.5], ids=repr)
async def test_a_store_that_answers_nonsense(make_site, nonsense, failing_store, caplog):
    """What is no bytes is no session: the visitor gets an empty one with another id."""

    async def read(session_id, lifetime):
        return nonsense

    failing_store.read = read
    async with make_site(failing_store).visitor() as visitor:
        answer = await visitor.get("/update?a=1", headers=COOKIE)
    assert answer.json() == {"a": "1"}
    assert COOKIE["cookie"] not in answer.headers["set-cookie"]
    assert [record.event for record in caplog.records] == ["session.discarded"]


@pytest.mark.parametrize("nonsense", [None, 7, b"id", ""], ids=repr)
async def test_a_store_that_returns_no_id(make_site, nonsense, failing_store):
    """A `write` that returns no id is an error that names the store."""

    async def write(session_id, data, lifetime, ttl):
        return nonsense

    failing_store.write = write
    async with make_site(failing_store).visitor() as visitor:
        with pytest.raises(SessionError, match=r"FailingStore\.write returned"):
            await visitor.get("/update?a=1")


async def test_a_redis_that_talks_garbage(make_site):
    """A server that speaks another protocol is a failing store."""

    async def chatter(reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(chatter, "127.0.0.1", 0)
    client = Redis(port=server.sockets[0].getsockname()[1])
    site = make_site(RedisStore(connection=client), store_timeout=0.2, on_store_failure="unavailable")
    async with site.visitor() as visitor:
        assert (await visitor.get("/show", headers=COOKIE)).status_code == 503
    await client.aclose()
    server.close()
