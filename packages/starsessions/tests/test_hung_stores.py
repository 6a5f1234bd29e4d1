"""A store that accepts and never answers."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis
from timeless import TimelessLoop

from starsessions.exceptions import SessionStoreTimeout
from starsessions.failures import CircuitBreaker
from starsessions.stores.redis import RedisStore
from starsessions.users import list_sessions, revoke_all_sessions

pytestmark = pytest.mark.anyio

COOKIE = {"cookie": "session=" + "0" * 32}


@asynccontextmanager
async def hung_server():
    """A TCP server that accepts connections and never says a word; yields its port and what it was told."""
    writers, told = [], []

    async def accept(reader, writer):
        writers.append(writer)
        while data := await reader.read(65536):
            told.append(data)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], told
    finally:
        server.close()
        for writer in writers:
            writer.close()


@asynccontextmanager
async def hung_store():
    async with hung_server() as (port, _):
        client = Redis(host="127.0.0.1", port=port)
        yield RedisStore(connection=client)
        await client.aclose()


@pytest.mark.parametrize("policy", ["raise", "unavailable", "anonymous"])
@pytest.mark.parametrize("is_left_alone", [True, False], ids=["breaker", "no breaker"])
def test_a_server_that_never_answers(make_site, monkeypatch, policy, is_left_alone):
    """Not one of 100 requests waits longer than the timeout and 20 ms, and after five none waits at all.

    Half of them fail to load a session, the others to store one.
    """
    timeout = 0.1
    if not is_left_alone:
        monkeypatch.setattr(CircuitBreaker, "enter", lambda breaker: None)

    async def main():
        loop, waits = asyncio.get_running_loop(), []
        async with hung_server() as (port, told):
            client = Redis(host="127.0.0.1", port=port)
            store = RedisStore(connection=client)
            site = make_site(store, lifetime=60, store_timeout=timeout, on_store_failure=policy)
            async with site.visitor(raise_app_exceptions=False) as visitor:
                for number in range(100):
                    begun = loop.time()
                    await visitor.get("/update?a=1", headers=COOKIE if number % 2 else {})
                    waits.append(loop.time() - begun)
            await client.aclose()
        assert len(told) >= 5
        return waits

    with asyncio.Runner(loop_factory=TimelessLoop) as runner:
        waits = runner.run(main())
    assert max(waits) <= timeout + 0.02
    asked = waits[:5] if is_left_alone else waits
    assert min(asked) >= timeout - 0.001
    assert sum(waits) == pytest.approx(sum(asked))


async def test_timeouts_are_timeouts(make_site):
    """A timeout is a SessionStoreTimeout, a TimeoutError and a ConnectionError, and says how long was waited."""
    async with hung_store() as store:
        site = make_site(store, store_timeout=0.01)
        async with site.visitor() as visitor:
            for kind in (SessionStoreTimeout, TimeoutError, ConnectionError):
                with pytest.raises(kind, match=r"did not answer within 0\.01 seconds"):
                    await visitor.get("/show", headers=COOKIE)
            assert (await visitor.get("/untouched", headers=COOKIE)).status_code == 200


@pytest.mark.parametrize("function", [list_sessions, revoke_all_sessions])
async def test_users_lists_have_the_deadline_too(make_site, function):
    """A request that asks for a user's sessions waits no longer, and is answered as the policy says."""
    async with hung_store() as store, asyncio.timeout(300):
        site = make_site(store, store_timeout=0.05, on_store_failure="unavailable")

        @site.view
        async def devices(request):
            with pytest.raises(SessionStoreTimeout):
                await function(request, "ada")
            await function(request, "ada")

        async with site.visitor() as visitor:
            assert (await visitor.get("/devices")).status_code == 503
