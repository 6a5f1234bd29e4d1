"""Signing in and out: whose session it is."""

import json
import re

import pytest
from starlette.responses import Response

from starsessions import (
    CookieStore,
    InMemoryStore,
    SessionStore,
    generate_session_id,
    load_session,
)
from starsessions.exceptions import ImproperlyConfigured, SessionNotLoaded
from starsessions.stores.redis import RedisStore
from starsessions.stores.user_index import UserSession
from starsessions.users import (
    get_user_id,
    list_sessions,
    revoke_session,
    sign_in,
)

pytestmark = pytest.mark.anyio


async def test_signing_in_gives_a_new_id(site, visitor, store):
    """Signing in keeps the data, makes the session the user's under a new id, and kills the old one."""
    await visitor.get("/update?cart=1")
    before = visitor.cookies["session"]
    await visitor.get("/login?user=ada")
    assert visitor.cookies["session"] != before
    assert (await visitor.get("/me")).json() == "ada"
    assert (await visitor.get("/show")).json() == {"cart": "1"}
    assert await store.read(before, lifetime=3600) == b""
    assert len(await list_sessions(store, "ada")) == 1


async def test_a_session_without_data_is_kept_for_its_user(site, visitor):
    """Being signed in is enough for a session to be stored, and to stay when its last entry is removed."""

    @site.view
    async def pop(request):
        request.session.pop("a", None)
        return Response()

    await visitor.get("/login?user=ada")
    await visitor.get("/update?a=1")
    await visitor.get("/pop")
    assert (await visitor.get("/me")).json() == "ada"


@pytest.mark.parametrize("path", ["/logout", "/clear"])
async def test_signing_out(site, visitor, store, path):
    """Signing out, or clearing the session, ends it and takes it out of the list."""
    await visitor.get("/login?user=ada")
    answer = await visitor.get(path)
    assert answer.headers["set-cookie"].startswith("session='';")
    assert await list_sessions(store, "ada") == []
    assert (await visitor.get("/me")).json() is None
    if isinstance(store, RedisStore):
        assert await store._client().keys() == []


async def test_regenerating_moves_the_entry(site, visitor, store):
    """A new id leaves one entry, which revokes the session under its new id."""
    await visitor.get("/login?user=ada")
    (before,) = await list_sessions(store, "ada")
    await visitor.get("/regenerate")
    (after,) = await list_sessions(store, "ada")
    assert after.handle != before.handle
    assert await revoke_session(store, "ada", before.handle) is False
    assert await revoke_session(store, "ada", after.handle) is True
    assert (await visitor.get("/me")).json() is None


async def test_signing_in_as_someone_else(site, visitor, store):
    """A session that changes hands leaves the first user's list."""
    await visitor.get("/login?user=ada")
    await visitor.get("/login?user=bob")
    assert await list_sessions(store, "ada") == []
    assert len(await list_sessions(store, "bob")) == 1


async def test_signing_in_as_someone_else_begins_anew(site, visitor):
    """What the first user left in the session is not the next one's; the same user keeps it."""
    await visitor.get("/login?user=ada")
    await visitor.get("/update?secret=1")
    await visitor.get("/login?user=ada")
    assert (await visitor.get("/show")).json() == {"secret": "1"}
    await visitor.get("/login?user=bob")
    assert (await visitor.get("/show")).json() == {}
    assert (await visitor.get("/me")).json() == "bob"


@pytest.mark.parametrize("user", ["ada@example.com", "a b\r\nc", "*", "ünï", "a" * 10_000, "../x"])
async def test_odd_user_ids(site, store, user, redis_client):
    """Any text can name a user, and none of it appears in a key."""
    entry = UserSession("handle", "device", 0.0, 0.0)
    session_id = generate_session_id()
    await store.write(session_id, b"{}", lifetime=60, ttl=60)
    await store.users.put(user, session_id, entry, 60)
    assert len(await list_sessions(store, user)) == 1
    assert await list_sessions(store, "someone else") == []
    for key in await redis_client.keys():
        assert re.fullmatch(rb"starsessions\.[@#]?[0-9a-f]{32}", key)


@pytest.mark.parametrize("user", ["", None, 7])
async def test_refused_user_ids(site, visitor, user):
    """A user id that is empty or no text is refused."""

    @site.view
    async def bad(request):
        await sign_in(request, user)

    with pytest.raises(TypeError, match="user_id"):
        await visitor.get("/bad")


class Minimal(SessionStore):
    """A store as a third party writes it."""

    async def read(self, session_id, lifetime):
        return b""

    async def write(self, session_id, data, lifetime, ttl):
        return session_id

    async def remove(self, session_id):
        pass


@pytest.mark.parametrize("make_store", [lambda: CookieStore("k" * 32), Minimal], ids=["cookie", "third party"])
async def test_stores_without_lists(make_site, make_store):
    """A store that keeps no lists refuses to sign anyone in, and says what to do."""
    store = make_store()
    site = make_site(store)

    @site.view
    async def login(request):
        await sign_in(request, "ada")

    async with site.visitor() as visitor:
        with pytest.raises(ImproperlyConfigured, match="does not keep lists of users' sessions. Use RedisStore"):
            await visitor.get("/login")
    with pytest.raises(ImproperlyConfigured):
        await list_sessions(store, "ada")


async def test_asking_before_loading(make_site):
    """Who is signed in is known once the session is loaded."""
    site = make_site(InMemoryStore(), autoload=False)

    @site.view
    async def ask(request):
        with pytest.raises(SessionNotLoaded):
            get_user_id(request)
        await load_session(request)
        assert get_user_id(request) is None
        return Response()

    async with site.visitor() as visitor:
        assert (await visitor.get("/ask")).status_code == 200


async def test_the_document_keeps_the_common_format(site, visitor, store):
    """The user is in the metadata: other code that reads the document sees the data unchanged."""
    await visitor.get("/login?user=ada")
    await visitor.get("/update?a=1")
    document = json.loads(await store.read(visitor.cookies["session"], lifetime=3600))
    assert document.pop("__metadata__")["user"] == "ada"
    assert document == {"a": "1"}


@pytest.mark.parametrize("store", ["redis", "redis, hashed"], indirect=True)
async def test_reading_a_users_session_is_one_command(site, visitor, redis_client, store):
    """Being signed in costs a request that only reads nothing."""
    await visitor.get("/login?user=ada")
    await redis_client.config_resetstat()
    await visitor.get("/show")
    stats = await redis_client.info("commandstats")
    assert {name for name in stats if not name.startswith(("cmdstat_config", "cmdstat_info"))} == {"cmdstat_get"}
