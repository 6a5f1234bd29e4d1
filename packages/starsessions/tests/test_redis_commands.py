"""How many commands and round trips a request costs, counted by the Redis server."""

import pytest
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from starlette.responses import Response

from starsessions import regenerate_session_id
from starsessions.stores.redis import RedisStore

pytestmark = pytest.mark.anyio


class Counter:
    """Counts the commands between two readings, without those of the counting itself."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    async def start(self) -> None:
        await self._client.config_resetstat()

    async def commands(self) -> dict[str, int]:
        stats = await self._client.info("commandstats")
        calls = {name.removeprefix("cmdstat_"): entry["calls"] for name, entry in stats.items()}
        return {
            name: count for name, count in calls.items() if name not in {"config|resetstat", "info", "client|setinfo"}
        }


@pytest.fixture
async def counter(redis_client):
    return Counter(redis_client)


@pytest.fixture
def store(redis_client):
    return RedisStore(connection=redis_client)


async def count(counter, visitor, path):
    await counter.start()
    answer = await visitor.get(path)
    assert answer.status_code == 200
    return await counter.commands()


async def test_untouched_costs_nothing(counter, visitor):
    """A request that does not load the session sends no command."""
    await visitor.get("/update?a=1")
    assert await count(counter, visitor, "/untouched") == {}


async def test_no_cookie_costs_nothing(counter, visitor):
    """Loading the session of a visitor without a cookie sends no command."""
    assert await count(counter, visitor, "/show") == {}


async def test_new_is_one_command(counter, visitor):
    """A new session is one SET."""
    assert await count(counter, visitor, "/update?a=1") == {"set": 1}


async def test_reading_is_one_command(counter, visitor):
    """Reading a session is one GET and no write."""
    await visitor.get("/update?a=1")
    assert await count(counter, visitor, "/show") == {"get": 1}


@pytest.mark.parametrize("options", [{"lifetime": 60, "rolling": True}, {"lifetime": 0}])
async def test_renewing_is_one_command(counter, make_site, store, redis_client, options):
    """Reading a session whose time begins anew with every use is one GETEX."""
    site = make_site(store, **options)
    async with site.visitor() as visitor:
        await visitor.get("/update?a=1")
        key = "starsessions." + visitor.cookies["session"]
        full = await redis_client.ttl(key)
        await redis_client.expire(key, 5)
        assert await count(counter, visitor, "/show") == {"getex": 1}
        assert await redis_client.ttl(key) >= full - 1


async def test_modifying_is_two_commands(counter, visitor):
    """Changing a session is a GET and a SET."""
    await visitor.get("/update?a=1")
    assert await count(counter, visitor, "/update?a=2") == {"get": 1, "set": 1}


async def test_destroying_is_two_commands(counter, visitor):
    """Emptying a session is a GET and a DEL."""
    await visitor.get("/update?a=1")
    assert await count(counter, visitor, "/clear") == {"get": 1, "del": 1}


async def test_malformed_id_costs_nothing(counter, visitor):
    """A cookie that cannot be a session id is not looked up."""
    visitor.cookies.set("session", "a*b", domain="site.example")
    assert await count(counter, visitor, "/show") == {}


async def test_regenerating_is_two_round_trips(counter, site, visitor, redis_client, monkeypatch):
    """A new id is a GET and one pipeline that stores the new record and deletes the old one."""
    packets = []

    @site.view
    async def login(request):
        regenerate_session_id(request)
        return Response()

    await visitor.get("/update?a=1")
    send = AbstractConnection.send_packed_command

    async def counted(self, command, *args, **kwargs):
        packets.append(command)
        return await send(self, command, *args, **kwargs)

    monkeypatch.setattr(AbstractConnection, "send_packed_command", counted)
    await counter.start()
    packets.clear()
    assert (await visitor.get("/login")).status_code == 200
    assert len(packets) == 2
    assert await counter.commands() == {"get": 1, "multi": 1, "set": 1, "del": 1, "exec": 1}
    assert len(await redis_client.keys()) == 1
