"""Logouts that began before another request gave the session a new id: the visitor is signed out all the same."""

import asyncio

import pytest
from starlette.responses import Response

from starsessions import InMemoryStore, generate_session_id, get_session_handler, regenerate_session_id
from starsessions.stores import memory
from starsessions.stores.base import digest_of
from starsessions.stores.redis import RedisStore
from starsessions.users import list_sessions, revoke_all_sessions, sign_in, sign_out

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "never", "read", "migrate", "always"])
def store(request):
    """A store that follows sessions to their new ids; on Redis with the ids in every form."""
    if request.param == "memory":
        return InMemoryStore()
    return RedisStore(connection=request.getfixturevalue("redis_client"), hash_ids=request.param)


async def leave(request):
    await sign_out(request)


async def destroy(request):
    await get_session_handler(request).destroy()


async def clear(request):
    request.session.clear()


async def start_over(request):
    request.session.clear()
    request.session["message"] = "Good bye"


async def take_out(request):
    request.session.pop("name")


class Logout:
    """A site whose view `/logout` has loaded the session and waits until `goes_on` is set."""

    def __init__(self, make_site, store, ending=leave):
        self.begun, self.goes_on = asyncio.Event(), asyncio.Event()
        self.site = make_site(store, lifetime=60)

        @self.site.view
        async def logout(request):
            self.begun.set()
            await self.goes_on.wait()
            await ending(request)
            return Response()

        @self.site.view
        async def login(request):
            regenerate_session_id(request)
            return Response()

        @self.site.view
        async def sign(request):
            await sign_in(request, "ada")
            return Response()

    async def overlapping(self, visitor, *paths):
        """Visit the paths while the logout is on its way; return its answer and the cookie from before it."""
        answer = asyncio.ensure_future(visitor.get("/logout"))
        await self.begun.wait()
        for path in paths:
            await visitor.get(path)
        cookie = visitor.cookies["session"]
        self.goes_on.set()
        return await answer, cookie


@pytest.mark.parametrize("ending", [leave, destroy, clear, start_over])
@pytest.mark.parametrize("paths", [["/login"], ["/login", "/update?a=1", "/login"]], ids=["once", "twice"])
async def test_a_logout_finds_the_new_id(make_site, store, ending, paths):
    """However a request ends a session that others have renamed since it began, nothing of the session is left."""
    logout = Logout(make_site, store, ending)
    async with logout.site.visitor() as visitor:
        await visitor.get("/update?name=Ada")
        _, cookie = await logout.overlapping(visitor, *paths)
        answer = await visitor.get("/show", headers={"cookie": f"session={cookie}"})
        assert answer.json() == {}


async def test_a_users_session(make_site, store):
    """A user whose slow logout meets a renaming is signed out, and no session is listed."""
    logout = Logout(make_site, store)
    async with logout.site.visitor() as visitor:
        await visitor.get("/sign")
        answer, _ = await logout.overlapping(visitor, "/login")
        assert answer.headers["set-cookie"].startswith("session='';")
    assert await list_sessions(store, "ada") == []


async def test_taking_out_the_last_entry_is_no_logout(make_site, store):
    """A request that only took something out of a session that was renamed meanwhile changes nothing."""
    logout = Logout(make_site, store, take_out)
    async with logout.site.visitor() as visitor:
        await visitor.get("/update?name=Ada")
        await logout.overlapping(visitor, "/login")
        assert (await visitor.get("/show")).json() == {"name": "Ada"}


async def test_an_old_id_ends_nothing(make_site, store):
    """A logout whose cookie was replaced before it began knows no session, and ends none."""
    logout = Logout(make_site, store)
    logout.goes_on.set()
    async with logout.site.visitor() as visitor, logout.site.visitor() as stranger:
        await visitor.get("/update?name=Ada")
        stranger.cookies = visitor.cookies
        await visitor.get("/login")
        await stranger.get("/logout")
        assert (await visitor.get("/show")).json() == {"name": "Ada"}


async def test_sessions_of_others_are_left_alone(make_site, store):
    """Of two sessions that were renamed, a logout ends the one it belongs to."""
    logout = Logout(make_site, store)
    async with logout.site.visitor() as visitor, logout.site.visitor() as other:
        for one in (visitor, other):
            await one.get("/update?name=Ada")
        await logout.overlapping(visitor, "/login")
        await other.get("/login")
        assert (await other.get("/show")).json() == {"name": "Ada"}


async def test_memory_forgets_the_oldest_renamings(monkeypatch):
    """However often sessions get new ids, no more than so many old ones are remembered."""
    monkeypatch.setattr(memory, "_REMEMBERED", 10)
    store, old_id = InMemoryStore(), generate_session_id()
    await store.write(old_id, b"1", 60, 60)
    for _ in range(100):
        new_id = generate_session_id()
        await store.swap(new_id, b"1", 60, 60, old_id=old_id, digest=digest_of(b"1"))
        old_id = new_id
    assert len(store._renamed) == 10


@pytest.mark.parametrize("store", ["never", "always"], indirect=True)
async def test_what_redis_remembers_goes_by_itself(make_site, store, redis_client):
    """What is kept of a renaming lasts an hour, and the name of its key opens no session."""
    logout = Logout(make_site, store)
    async with logout.site.visitor() as visitor:
        await visitor.get("/update?name=Ada")
        await visitor.get("/login")
        (key,) = [key.decode() for key in await redis_client.keys() if b">" in key]
        assert key.startswith("starsessions.")
        assert 3500 < await redis_client.ttl(key) <= 3600
        name = key.removeprefix("starsessions.")
        assert (await visitor.get("/show", headers={"cookie": f"session={name}"})).json() == {}


async def test_ending_all_after_renaming(make_site, store):
    """Ending all sessions of a user finds the renamed one by the list."""
    logout = Logout(make_site, store)
    async with logout.site.visitor() as visitor:
        await visitor.get("/sign")
        await visitor.get("/login")
        assert await revoke_all_sessions(store, "ada") == 1
        assert (await visitor.get("/show")).json() == {}
