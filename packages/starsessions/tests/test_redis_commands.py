"""How many commands and round trips a request costs, counted by the Redis server."""

import pytest
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from starlette.responses import Response

from starsessions import regenerate_session_id
from starsessions.stores.redis import RedisStore

pytestmark = pytest.mark.anyio


class Counter:
    """Counts what a request sends: commands as the server counts them, packets as they leave this process.

    Commands that a script runs inside of the server are counted by it as well; they cost no round trip.
    """

    def __init__(self, client: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
        self._client = client
        self.packets: list[bytes] = []
        send = AbstractConnection.send_packed_command

        async def counted(connection, command, *args, **kwargs):
            self.packets.append(command if isinstance(command, bytes) else b"".join(command))
            return await send(connection, command, *args, **kwargs)

        monkeypatch.setattr(AbstractConnection, "send_packed_command", counted)

    async def of(self, visitor, path) -> dict[str, int]:
        """Return the commands that a request makes the server run; `packets` has what was sent."""
        await self._client.config_resetstat()
        self.packets.clear()
        answer = await visitor.get(path)
        assert answer.status_code == 200
        sent = list(self.packets)
        stats = await self._client.info("commandstats")
        self.packets[:] = sent
        calls = {name.removeprefix("cmdstat_"): entry["calls"] for name, entry in stats.items()}
        return {
            name: count for name, count in calls.items() if name not in {"config|resetstat", "info", "client|setinfo"}
        }


@pytest.fixture
async def counter(redis_client, monkeypatch):
    return Counter(redis_client, monkeypatch)


@pytest.fixture
def store(redis_client):
    return RedisStore(connection=redis_client)


async def test_untouched_costs_nothing(counter, visitor):
    """A request that does not load the session sends no command."""
    await visitor.get("/update?a=1")
    assert await counter.of(visitor, "/untouched") == {}


async def test_no_cookie_costs_nothing(counter, visitor):
    """Loading the session of a visitor without a cookie sends no command."""
    assert await counter.of(visitor, "/show") == {}


async def test_new_is_one_command(counter, visitor):
    """A new session is one SET."""
    assert await counter.of(visitor, "/update?a=1") == {"set": 1}


async def test_reading_is_one_command(counter, visitor):
    """Reading a session is one GET of at most 70 bytes and no write, whatever form the key has."""
    await visitor.get("/update?a=1")
    assert await counter.of(visitor, "/show") == {"get": 1}
    assert [len(packet) <= 70 for packet in counter.packets] == [True]


@pytest.mark.parametrize("options", [{"lifetime": 6000, "rolling": True}, {"lifetime": 0}])
async def test_renewing_is_one_command(counter, make_site, store, redis_client, monkeypatch, options):
    """Reading a session whose time begins anew with every use is one GETEX."""
    monkeypatch.setattr("starsessions.overtaken._QUICK_SECONDS", 60)  # this machine may be busy
    site = make_site(store, **options)
    async with site.visitor() as visitor:
        await visitor.get("/update?a=1")
        key = "starsessions." + visitor.cookies["session"]
        full = await redis_client.ttl(key)
        await redis_client.expire(key, full // 3)
        assert await counter.of(visitor, "/show") == {"getex": 1}
        assert await redis_client.ttl(key) > full / 2


async def test_renewing_slowly_is_two_commands(counter, make_site, store, monkeypatch):
    """A request that took its time looks once more before it renews the cookie, as others may have ended the session."""
    monkeypatch.setattr("starsessions.overtaken._QUICK_SECONDS", -1)
    async with make_site(store, lifetime=60, rolling=True).visitor() as visitor:
        await visitor.get("/update?a=1")
        assert await counter.of(visitor, "/show") == {"getex": 2}


async def test_modifying_is_two_round_trips(counter, visitor):
    """Changing a session is a GET and one script that compares what is stored and stores."""
    await visitor.get("/update?a=1")
    await visitor.get("/update?a=2")  # the server knows the script from now on
    assert await counter.of(visitor, "/update?a=3") == {"get": 1 + 1, "evalsha": 1, "set": 1}
    assert len(counter.packets) == 2


async def test_a_server_that_forgot_the_script(counter, visitor, redis_client):
    """A server that was restarted gets the script again, once."""
    await visitor.get("/update?a=1")
    await redis_client.script_flush()
    assert await counter.of(visitor, "/update?a=2") == {"get": 1 + 1, "evalsha": 1, "eval": 1, "set": 1}
    assert await counter.of(visitor, "/update?a=3") == {"get": 1 + 1, "evalsha": 1, "set": 1}
    assert (await visitor.get("/show")).json() == {"a": "3"}


async def test_destroying_is_two_commands(counter, visitor):
    """Emptying a session is a GET and a DEL."""
    await visitor.get("/update?a=1")
    assert await counter.of(visitor, "/clear") == {"get": 1, "del": 1}


async def test_ending_what_was_renamed(counter, site, visitor, redis_client):
    """Only a logout that finds its session gone asks what became of it."""

    @site.view
    async def logout(request):
        await counter.of(visitor, "/login")
        request.session.clear()
        return Response()

    @site.view
    async def login(request):
        regenerate_session_id(request)
        return Response()

    await visitor.get("/update?a=1")
    await redis_client.config_resetstat()
    await visitor.get("/logout")
    assert [packet.split(b"\r\n")[2] for packet in counter.packets[2:]] == [b"DEL", b"GETDEL", b"DEL"]
    assert await redis_client.keys() == []


async def test_malformed_id_costs_nothing(counter, visitor):
    """A cookie that cannot be a session id is not looked up."""
    visitor.cookies.set("session", "a*b", domain="site.example")
    assert await counter.of(visitor, "/show") == {}


async def test_regenerating_is_two_round_trips(counter, site, visitor, redis_client):
    """A new id is a GET and one script that compares the old record, deletes it, stores the new one and notes its id."""

    @site.view
    async def login(request):
        regenerate_session_id(request)
        return Response()

    await visitor.get("/update?a=1")
    await visitor.get("/login")
    assert await counter.of(visitor, "/login") == {"get": 1 + 1, "evalsha": 1, "set": 1 + 1, "del": 1}
    assert len(counter.packets) == 2
    sessions = [key for key in await redis_client.keys() if b">" not in key]
    assert sessions == [b"starsessions." + visitor.cookies["session"].encode()]
