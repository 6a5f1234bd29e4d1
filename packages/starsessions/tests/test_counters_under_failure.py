"""Counters where the store fails, or the session is only being made: no count is lost without an error."""

import asyncio
import json
import time

import pytest
from starlette.responses import JSONResponse

from starsessions import InMemoryStore, get_session_handler
from starsessions.exceptions import SessionError
from starsessions.stores.redis import RedisStore
from starsessions.updates import increment, update_session

pytestmark = pytest.mark.anyio


class Unreliable(RedisStore):
    """Of every seven changes one is not made, one is made and not answered, one fails and one is late."""

    count = 0

    async def swap(self, *args, **options):
        self.count += 1
        turn = self.count % 7
        if turn == 1:
            await asyncio.Event().wait()
        answer = await super().swap(*args, **options)
        if turn == 2:
            await asyncio.Event().wait()
        if turn == 3:
            raise OSError("the connection broke")
        if turn == 4:
            await asyncio.sleep(0.01)
        return answer


@pytest.mark.parametrize("policy", ["raise", "unavailable", "anonymous"])
async def test_fifty_increments_on_a_store_that_fails(make_site, redis_client, policy):
    """Each of fifty requests at once gets a number of its own, which stays counted, or an error."""
    store = Unreliable(connection=redis_client)
    # The limit is short, as some calls are never answered; on a slow machine more of them fail, which is as good.
    site = make_site(store, lifetime=600, store_timeout=0.25, on_store_failure=policy)
    errors = []

    @site.view
    async def count(request):
        try:
            return JSONResponse(await increment(request, "n"))
        except (SessionError, OSError) as error:
            errors.append(error)
            raise

    async with site.visitor(raise_app_exceptions=False) as visitor:
        await RedisStore.write(store, "a" * 32, document(), 600, 600)
        visitor.cookies.set("session", "a" * 32, domain="site.example")
        answers = await asyncio.gather(*(visitor.get("/count") for _ in range(50)))
    numbers = [answer.json() for answer in answers if answer.status_code == 200]
    total = json.loads(await redis_client.get("starsessions." + "a" * 32)).get("n", 0)
    refused = [answer for answer in answers if answer.status_code >= 500]
    assert len(numbers) + len(refused) == 50
    assert refused
    assert len(set(numbers)) == len(numbers)
    assert max(numbers, default=0) <= total
    assert len(numbers) <= total <= len(numbers) + len(errors)


def document():
    metadata = {"lifetime": 600, "created": time.time(), "last_access": time.time()}
    return json.dumps({"base": 1, "__metadata__": metadata}).encode()


@pytest.mark.parametrize("kind", ["memory", "redis"])
async def test_fifty_increments_of_a_session_that_is_not_there_yet(make_site, redis_client, kind):
    """Requests that all begin the session of an id that the application has chosen count to fifty all the same."""
    store = InMemoryStore() if kind == "memory" else RedisStore(connection=redis_client)
    site = make_site(store, lifetime=60, autoload=False)
    together = asyncio.Barrier(50)

    @site.view
    async def count(request):
        handler = get_session_handler(request)
        handler.session_id = "chosen-by-the-application"
        await handler.load()
        await together.wait()
        return JSONResponse(await increment(request, "n"))

    async with site.visitor() as visitor:
        answers = await asyncio.gather(*(visitor.get("/count") for _ in range(50)))
    assert sorted(answer.json() for answer in answers) == list(range(1, 51))
    assert json.loads(await store.read("chosen-by-the-application", 60))["n"] == 50


@pytest.mark.parametrize("kind", ["memory", "redis"])
async def test_an_update_of_a_session_that_is_not_there_yet(make_site, redis_client, kind):
    """What the request has put into the session before is stored with the update, which may take it out again."""
    store = InMemoryStore() if kind == "memory" else RedisStore(connection=redis_client)
    site = make_site(store, lifetime=60, autoload=False)

    @site.view
    async def begin(request):
        handler = get_session_handler(request)
        handler.session_id = "chosen"
        await handler.load()
        request.session.update(stays=1, goes=1)
        taken = await update_session(request, lambda session: session.pop("goes"))
        stored = json.loads(await store.read("chosen", 60))
        return JSONResponse([taken, request.session, "goes" in stored, stored["stays"]])

    async with site.visitor() as visitor:
        assert (await visitor.get("/begin")).json() == [1, {"stays": 1}, False, 1]
    assert "goes" not in json.loads(await store.read("chosen", 60))
