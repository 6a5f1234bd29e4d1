"""RedisStore on a cluster, where the keys of one session are in different slots."""

import asyncio
import secrets

import pytest
from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from starsessions import generate_session_id
from starsessions.stores.base import digest_of
from starsessions.stores.redis import RedisStore
from starsessions.stores.user_index import UserSession
from starsessions.users import list_sessions, revoke_all_sessions

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def cluster_node(redis_servers):
    """A cluster of one node; yields port and password."""
    port, bus = redis_servers.free_ports(2)
    password = secrets.token_hex(16)

    async def begin():
        async with Redis(port=port, password=password) as client:
            await redis_servers.until(client.ping, RedisConnectionError)
            await client.execute_command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
            await redis_servers.until(lambda: client.set("{ready}", 1), ResponseError)  # CLUSTERDOWN until it is

    redis_servers.start(port=port, cluster_enabled="yes", cluster_port=bus, requirepass=password)
    asyncio.run(begin())
    return port, password


@pytest.fixture
async def client(cluster_node):
    port, password = cluster_node
    client = RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", port)], password=password)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture(params=["never", "read", "migrate", "always"])
def store(client, request):
    return RedisStore(connection=client, hash_ids=request.param)


async def swap(store, session_id, data, old_id, read):
    return await store.swap(session_id, data, 60, 60, old_id=old_id, digest=digest_of(read) if read else "")


async def test_swapping(store, client):
    """Changing, renaming, refusing and deleting work as on a single server, and leave one record.

    Beside it there is a note of the renaming.
    """
    one, two = generate_session_id(), generate_session_id()
    await store.write(one, b"1", lifetime=60, ttl=60)
    assert await swap(store, one, b"2", one, b"1") is None
    assert await swap(store, one, b"x", one, b"1") == b"2"
    assert await swap(store, two, b"x", one, b"1") == b"2"
    assert await store.read(two, lifetime=60) == b""
    assert await swap(store, two, b"3", one, b"2") is None
    assert (await store.read(one, lifetime=60), await store.read(two, lifetime=60)) == (b"", b"3")
    assert await swap(store, one, b"x", one, b"2") == b""
    assert await client.dbsize() == 1 + 1
    assert await swap(store, two, None, two, b"3") is None
    assert await client.dbsize() == 0 + 1


@pytest.mark.parametrize("prefix", ["", "{app}:", lambda session_id: f"session:{{{session_id}}}"])
async def test_a_logout_finds_the_new_id(client, prefix):
    """Removing an id that was given up for another one ends the session, wherever the keys of a cluster are."""
    store = RedisStore(connection=client, prefix=prefix)
    one, two = generate_session_id(), generate_session_id()
    await store.write(one, b"1", lifetime=60, ttl=60)
    assert await swap(store, two, b"2", one, b"1") is None
    await store.remove(one)
    assert await client.dbsize() == 0


@pytest.mark.parametrize("command", ["set", "exists"])
async def test_a_logout_in_the_midst_of_renaming(store, client, monkeypatch, command):
    """A session is ended by a logout that comes after its old record has left and before its new one is there."""
    one, two = generate_session_id(), generate_session_id()
    await store.write(one, b"1", lifetime=60, ttl=60)
    original = getattr(client, command)

    async def after_a_logout(*args, **options):
        monkeypatch.undo()
        await store.remove(one)
        return await original(*args, **options)

    monkeypatch.setattr(client, command, after_a_logout)
    assert await swap(store, two, b"2", one, b"1") == b""
    assert await client.dbsize() == 0


@pytest.mark.parametrize("store", ["migrate"], indirect=True)
async def test_moving_to_hashed_ids(store, client):
    """A record under a plain id is found and moves to the hashed one when it changes."""
    plain, session_id = RedisStore(connection=client), generate_session_id()
    await plain.write(session_id, b"1", lifetime=60, ttl=60)
    assert await store.renew(session_id, lifetime=60) == b"1"
    assert await swap(store, session_id, b"2", session_id, b"1") is None
    assert await plain.read(session_id, lifetime=60) == b""
    assert await store.read(session_id, lifetime=60) == b"2"
    assert await client.dbsize() == 1


async def test_a_users_sessions(store, client):
    """Listing and revoking work across slots."""
    for user in ("ada", "bob"):
        for _ in range(20):
            session_id = generate_session_id()
            await store.write(session_id, b"{}", lifetime=60, ttl=60)
            await store.users.put(user, session_id, UserSession("", "", 0.0, 0.0), 60)
    assert len(await list_sessions(store, "ada")) == 20
    assert await revoke_all_sessions(store, "ada") == 20
    assert await list_sessions(store, "ada") == []
    assert len(await list_sessions(store, "bob")) == 20
    assert await client.dbsize() == 21


@pytest.mark.parametrize("store", ["never"], indirect=True)
async def test_a_session_on_a_cluster(make_site, store):
    """A site works on a cluster: new, changed, regenerated and cleared sessions."""
    from starlette.responses import Response

    from starsessions import regenerate_session_id

    site = make_site(store, lifetime=60)

    @site.view
    async def login(request):
        regenerate_session_id(request)
        return Response()

    async with site.visitor() as visitor:
        await visitor.get("/update?a=1")
        before = visitor.cookies["session"]
        await visitor.get("/update?b=2")
        await visitor.get("/login")
        assert (await visitor.get("/show")).json() == {"a": "1", "b": "2"}
        assert await store.read(before, lifetime=60) == b""
        await visitor.get("/clear")
        assert (await visitor.get("/show")).json() == {}
