"""Session ids that are hashed in Redis, and the way there while servers run."""

import itertools

import pytest

from starsessions import ImproperlyConfigured
from starsessions.stores.redis import RedisStore
from starsessions.users import list_sessions, revoke_all_sessions, sign_in

pytestmark = pytest.mark.anyio

STAGES = ["never", "read", "migrate", "always"]


@pytest.fixture
def stores(redis_client):
    return {stage: RedisStore(connection=redis_client, hash_ids=stage) for stage in STAGES}


@pytest.mark.parametrize("rolling", [False, True])
async def test_nobody_is_logged_out_on_the_way(make_site, stores, rolling):
    """A session that is used at every step survives all of them, with old and new servers side by side."""
    sites = {stage: make_site(store, lifetime=600, rolling=rolling) for stage, store in stores.items()}
    async with sites["never"].visitor() as visitor:
        await visitor.get("/update?n=0")
        cookies, number = visitor.cookies, 0
    for old, new in itertools.pairwise(STAGES):
        for stage in (old, new, old, new, new):
            async with sites[stage].visitor() as visitor:
                visitor.cookies = cookies
                assert (await visitor.get("/show")).json() == {"n": str(number)}, (old, new, stage)
                number += 1
                await visitor.get(f"/update?n={number}")
                assert (await visitor.get("/show")).json() == {"n": str(number)}


@pytest.mark.parametrize("stage", STAGES)
async def test_one_record_for_each_session(make_site, stores, redis_client, stage):
    """Changing, regenerating and clearing leave one record, or none, at every stage."""
    site = make_site(stores[stage], lifetime=600)

    async def records():
        return [
            key for key in await redis_client.keys() if not key.endswith((b">", b"}"))
        ]  # not what tells of renaming

    async def login(request):
        await sign_in(request, "ada")
        return await site.views["show"](request)

    site.view(login)
    async with make_site(stores["always" if stage == "always" else "never"], lifetime=600).visitor() as visitor:
        await visitor.get("/update?a=1")
        cookies = visitor.cookies
    async with site.visitor() as visitor:
        visitor.cookies = cookies
        await visitor.get("/update?b=1")
        assert len(await records()) == 1
        await visitor.get("/login")
        assert len(await records()) == 2
        assert (await visitor.get("/show")).json() == {"a": "1", "b": "1"}
        assert len(await list_sessions(stores[stage], "ada")) == 1
        await visitor.get("/clear")
        assert await records() == []


@pytest.mark.parametrize("stage", ["read", "migrate", "always"])
async def test_a_copied_list_of_keys_opens_nothing(make_site, stores, redis_client, stage):
    """No part of the name of a hashed record's key is an id that is accepted, at no stage."""
    async with make_site(stores["always"], lifetime=600).visitor() as visitor:
        await visitor.get("/update?secret=1")
        session_id = visitor.cookies["session"]
    (key,) = [name.decode() for name in await redis_client.keys()]
    assert session_id not in key
    for start in range(len(key)):
        async with make_site(stores[stage], lifetime=600).visitor() as thief:
            answer = await thief.get("/show", headers={"cookie": f"session={key[start:]}"})
            assert answer.json() == {}


@pytest.mark.parametrize("stage", ["read", "migrate"])
async def test_looking_in_both_places_is_one_round_trip(make_site, stores, redis_client, monkeypatch, stage):
    """While both forms are in use, reading asks for both in one packet, and changing is still two round trips."""
    from redis.asyncio.connection import AbstractConnection

    packets = []
    send = AbstractConnection.send_packed_command

    async def counted(connection, command, *args, **kwargs):
        packets.append(command)
        return await send(connection, command, *args, **kwargs)

    async with make_site(stores[stage], lifetime=600).visitor() as visitor:
        await visitor.get("/update?a=1")
        await visitor.get("/update?a=2")
        monkeypatch.setattr(AbstractConnection, "send_packed_command", counted)
        await visitor.get("/show")
        assert len(packets) == 1
        packets.clear()
        await visitor.get("/update?a=3")
        assert len(packets) == 2


async def test_hashed_reading_is_small(make_site, stores, redis_client, monkeypatch):
    """Reading a session under a hashed id sends at most 70 bytes, as under a plain one."""
    from redis.asyncio.connection import AbstractConnection

    packets = []
    send = AbstractConnection.send_packed_command

    async def counted(connection, command, *args, **kwargs):
        packets.append(command if isinstance(command, bytes) else b"".join(command))
        return await send(connection, command, *args, **kwargs)

    async with make_site(stores["always"], lifetime=600).visitor() as visitor:
        await visitor.get("/update?a=1")
        monkeypatch.setattr(AbstractConnection, "send_packed_command", counted)
        await visitor.get("/show")
    assert [len(packet) <= 70 for packet in packets] == [True]


async def test_other_programs_lists_are_passed_over(stores, redis_client):
    """While both forms are in use, a list under the plain key does not hide the session under the hashed one."""
    await stores["migrate"].write("some-id", b"{}", lifetime=60, ttl=60)
    await redis_client.rpush("starsessions.some-id", 1)
    assert await stores["read"].read("some-id", lifetime=60) == b"{}"
    assert await stores["migrate"].renew("some-id", lifetime=60) == b"{}"


def test_refused_stage(redis_url):
    """An unknown stage is refused when the store is made."""
    with pytest.raises(ImproperlyConfigured, match="hash_ids"):
        RedisStore(url="env:NOTHING", hash_ids="sometimes")


@pytest.mark.parametrize(("first", "then"), [("read", "migrate"), ("migrate", "read")])
async def test_users_lists_on_the_way(make_site, stores, first, then):
    """While servers of two stages move a record back and forth, the user's list knows it and can end it."""
    sites = {stage: make_site(stores[stage], lifetime=600) for stage in (first, then)}

    async def login(request):
        await sign_in(request, "ada")
        return await sites[first].views["show"](request)

    sites[first].view(login)
    async with sites[first].visitor() as visitor, sites[then].visitor() as moved:
        await visitor.get("/login")
        moved.cookies = visitor.cookies
        await moved.get("/update?a=1")
        assert len(await list_sessions(stores[first], "ada")) == 1
        assert await revoke_all_sessions(stores[first], "ada") == 1
        assert (await moved.get("/show")).json() == {}
