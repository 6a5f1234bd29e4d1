"""The list of a user's sessions: what keeping it costs, how it cleans itself, and that no session escapes from it."""

import json
import time

import pytest
from starlette.responses import Response

from starsessions import InMemoryStore, generate_session_id
from starsessions.stores.redis import RedisStore
from starsessions.stores.user_index import UserSession
from starsessions.users import list_sessions, revoke_all_sessions, sign_in

pytestmark = pytest.mark.anyio


async def test_revoking_a_hundred_sessions(redis_client, monkeypatch):
    """Revoking 100 sessions of one user takes two round trips and leaves those of nine others alone."""
    from redis.asyncio.connection import AbstractConnection

    store = RedisStore(connection=redis_client)
    ids = {}
    for number in range(190):
        user, session_id = f"user-{number % 10 if number < 100 else 3}", generate_session_id()
        ids.setdefault(user, []).append(session_id)
        await store.write(session_id, b"{}", lifetime=60, ttl=60)
        await store.users.put(user, session_id, UserSession("", "", 0.0, 0.0), 60)
    packets = []
    send = AbstractConnection.send_packed_command

    async def counted(connection, command, *args, **kwargs):
        packets.append(command)
        return await send(connection, command, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(AbstractConnection, "send_packed_command", counted)
        assert await revoke_all_sessions(store, "user-3") == 100
    assert len(packets) == 2
    for user, sessions in ids.items():
        left = [session_id for session_id in sessions if await store.exists(session_id)]
        assert len(left) == (0 if user == "user-3" else 10)
        assert len(await list_sessions(store, user)) == len(left)


async def test_the_list_cleans_itself(redis_client, clock):
    """Entries of sessions that must have ended disappear when the user signs in again, and the list has an end."""
    store = RedisStore(connection=redis_client)
    for _ in range(5):
        await store.users.put("ada", generate_session_id(), UserSession("", "", 0.0, 0.0), 60)
    clock.advance(3600)
    await store.users.put("ada", generate_session_id(), UserSession("", "", 0.0, 0.0), 60)
    key = store.keys.user("ada")
    assert await redis_client.hlen(key) == 1
    assert 0 < await redis_client.ttl(key) <= 60 + 600


async def test_signing_in_does_not_look_at_the_whole_list(redis_client):
    """Somebody who signs in ten thousand times costs the server no more each time, and what ended still leaves."""
    store, now = RedisStore(connection=redis_client), int(time.time())
    entry = {"name": "x", "device": "", "created": 0, "seen": 0}
    key = store.keys.user("ada")
    ended = {f"old-{number}": json.dumps({**entry, "ends": now - 1}) for number in range(5_000)}
    going_on = {f"new-{number}": json.dumps({**entry, "ends": now + 1_000}) for number in range(5_000)}
    await redis_client.hset(key, mapping={**ended, **going_on})
    for _ in range(20):
        before = await redis_client.hlen(key)
        await store.users.put("ada", generate_session_id(), UserSession("", "", 0.0, 0.0), 60)
        assert before - 63 <= await redis_client.hlen(key) <= before + 1
    assert await redis_client.hlen(key) < 10_000
    assert all([await redis_client.hexists(key, f"new-{number}") for number in range(0, 5_000, 100)])


async def test_memory_forgets_lists_with_their_sessions(clock):
    """The list in memory does not outgrow the sessions."""
    store = InMemoryStore()
    for number in range(500):
        session_id = generate_session_id()
        await store.write(session_id, b"{}", lifetime=60, ttl=60)
        await store.users.put(f"user-{number}", session_id, UserSession("", "", 0.0, 0.0), 60)
    clock.advance(61)
    for _ in range(500):
        await store.write(generate_session_id(), b"{}", lifetime=60, ttl=60)
    assert (store.users._users, store.users._owners) == ({}, {})


@pytest.mark.parametrize("before", ["a session", "none"])
async def test_signing_in_while_all_sessions_end(make_site, redis_client, before):
    """A session that is stored while all of its user's sessions are ended is in the list, and can be ended later."""

    class Interrupted(RedisStore):
        """Ends all sessions of the user between the entry in the list and the storing of the session."""

        async def write(self, *args, **options):
            await revoke_all_sessions(self, "ada")
            return await super().write(*args, **options)

        async def swap(self, *args, **options):
            await revoke_all_sessions(self, "ada")
            return await super().swap(*args, **options)

    store = Interrupted(connection=redis_client)
    site = make_site(store, lifetime=60)

    @site.view
    async def login(request):
        await sign_in(request, "ada")
        return Response()

    async with site.visitor() as visitor:
        if before == "a session":
            await visitor.get("/update?cart=1")
        await visitor.get("/login")
        assert await store.exists(visitor.cookies["session"])
        assert len(await list_sessions(store, "ada")) == 1
        assert await revoke_all_sessions(store, "ada") == 1
        assert not await store.exists(visitor.cookies["session"])


@pytest.mark.parametrize(
    "damage", ["{", "[]", '{"name": "x"}', '{"name": "x", "device": "", "created": {}, "seen": 0}']
)
async def test_a_damaged_entry_protects_no_other_session(redis_client, damage, caplog):
    """It is passed over and reported; the user's other sessions are listed and revoked."""
    store, session_id = RedisStore(connection=redis_client), generate_session_id()
    await store.write(session_id, b"{}", lifetime=60, ttl=60)
    await store.users.put("ada", session_id, UserSession("", "", 0.0, 0.0), 60)
    await redis_client.hset(store.keys.user("ada"), "other", damage)
    assert len(await list_sessions(store, "ada")) == 1
    assert await revoke_all_sessions(store, "ada") == 1
    assert not await store.exists(session_id)
    assert {record.event for record in caplog.records} == {"session.entry_discarded"}


async def test_a_sign_in_that_cannot_be_stored_leaves_no_entry(make_site):
    """An entry is made before its session is stored; where that is refused, it goes again."""
    store = InMemoryStore()
    site = make_site(store, lifetime=60)

    @site.view
    async def login(request):
        await sign_in(request, "ada")
        request.session["thing"] = object()
        return Response()

    async with site.visitor(raise_app_exceptions=False) as visitor:
        assert (await visitor.get("/login")).status_code == 500
    assert not store.users._owners
