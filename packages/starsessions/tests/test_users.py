"""A user's sessions: signing in and out, listing, ending sessions elsewhere."""

import json
import re

import pytest
from starlette.responses import JSONResponse, Response

from starsessions import (
    CookieStore,
    InMemoryStore,
    SessionStore,
    generate_session_id,
    load_session,
    regenerate_session_id,
)
from starsessions.devices import device_name
from starsessions.exceptions import ImproperlyConfigured, SessionNotLoaded
from starsessions.stores.redis import RedisStore
from starsessions.stores.user_index import UserSession
from starsessions.users import (
    get_user_id,
    list_sessions,
    revoke_all_sessions,
    revoke_other_sessions,
    revoke_session,
    sign_in,
    sign_out,
)

pytestmark = pytest.mark.anyio

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.6 Mobile/15E148 Safari/604.1"
)


@pytest.fixture(params=["memory", "redis", "redis, hashed"])
def store(request):
    if request.param == "memory":
        return InMemoryStore()
    stage = "always" if "hashed" in request.param else "never"
    return RedisStore(connection=request.getfixturevalue("redis_client"), hash_ids=stage)


@pytest.fixture
def site(make_site, store):
    site = make_site(store, lifetime=3600)

    @site.view
    async def login(request):
        await sign_in(request, request.query_params["user"])
        return Response()

    @site.view
    async def logout(request):
        await sign_out(request)
        return Response()

    @site.view
    async def regenerate(request):
        regenerate_session_id(request)
        return Response()

    @site.view
    async def me(request):
        return JSONResponse(get_user_id(request))

    @site.view
    async def others(request):
        return JSONResponse(await revoke_other_sessions(request))

    @site.view
    async def devices(request):
        found = await list_sessions(request, get_user_id(request))
        return JSONResponse([[session.device, session.current] for session in found])

    return site


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


async def test_listing(site, store, clock):
    """The list shows device and times of each session, which one asks, and nothing that opens a session."""
    async with (
        site.visitor() as laptop,
        site.visitor() as phone,
    ):
        await laptop.get("/login?user=ada", headers={"user-agent": FIREFOX})
        clock.advance(10)
        await phone.get("/login?user=ada", headers={"user-agent": PHONE})
        assert (await laptop.get("/devices")).json() == [["Safari on iPhone", False], ["Firefox on Linux", True]]
        newest, oldest = await list_sessions(store, "ada")
        assert 9.9 < newest.created - oldest.created < 20
        assert not newest.current
        ids = {laptop.cookies["session"], phone.cookies["session"]}
        for handle in (newest.handle, oldest.handle):
            assert handle not in ids
            answer = await laptop.get("/me", headers={"cookie": f"session={handle}"})
            assert answer.json() is None


async def test_last_seen(site, visitor, store, clock):
    """Using a session renews the time it was last seen, at most every few minutes."""
    await visitor.get("/login?user=ada")
    (first,) = await list_sessions(store, "ada")
    clock.advance(60)
    await visitor.get("/show")
    assert await list_sessions(store, "ada") == [first]
    clock.advance(300)
    await visitor.get("/show")
    (later,) = await list_sessions(store, "ada")
    assert 360 <= later.last_seen - first.last_seen < 400
    assert (later.handle, later.created) == (first.handle, first.created)


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


async def test_revoking_this_session_too(site, visitor, store):
    """A request that ends its own session sees it ended, and its browser forgets the cookie."""

    @site.view
    async def everywhere(request):
        revoked = await revoke_all_sessions(request, get_user_id(request))
        return JSONResponse([revoked, get_user_id(request), dict(request.session)])

    await visitor.get("/login?user=ada")
    await visitor.get("/update?a=1")
    answer = await visitor.get("/everywhere")
    assert answer.json() == [1, None, {}]
    assert answer.headers["set-cookie"].startswith("session='';")
    assert (await visitor.get("/everywhere")).json() == [0, None, {}]


async def test_signing_in_after_revoking_all(site, visitor, store):
    """Ending all sessions and signing in again in one request leaves one session: the new one."""

    @site.view
    async def fresh(request):
        await revoke_all_sessions(request, "ada")
        await sign_in(request, "ada")
        return Response()

    await visitor.get("/login?user=ada")
    await visitor.get("/fresh")
    assert (await visitor.get("/me")).json() == "ada"
    assert len(await list_sessions(store, "ada")) == 1


async def test_ending_all_after_signing_in(site, visitor, store):
    """A session that is only being signed in is not among those that exist."""

    @site.view
    async def only_here(request):
        await sign_in(request, "ada")
        return JSONResponse(await revoke_all_sessions(request, "ada"))

    assert (await visitor.get("/only_here")).json() == 0
    assert (await visitor.get("/me")).json() == "ada"


async def test_nobodys_sessions(site, visitor, store):
    """A visitor who is not signed in has no sessions to list or to end."""

    @site.view
    async def nobody(request):
        found = await list_sessions(request, get_user_id(request))
        return JSONResponse([found, await revoke_session(request, None, "x"), await revoke_all_sessions(store, None)])

    assert (await visitor.get("/nobody")).json() == [[], False, 0]


@pytest.mark.parametrize("store", ["redis", "redis, hashed"], indirect=True)
async def test_a_new_id_is_no_way_out(site, visitor, store, monkeypatch):
    """A session that gets a new id between the reading of the list and the deleting of what is in it ends as well."""
    await visitor.get("/login?user=ada")
    known, renamed = type(store.users)._known, []

    async def slowly(index, user_id):
        entries = await known(index, user_id)
        if not renamed:
            renamed.append(await visitor.get("/regenerate"))
        return entries

    monkeypatch.setattr(type(store.users), "_known", slowly)
    assert await revoke_all_sessions(store, "ada") == 1
    assert (await visitor.get("/me")).json() is None
    assert await list_sessions(store, "ada") == []


async def test_revoking_others(site, store):
    """After a change of the password every other session of the user ends; this one and other users' go on."""
    async with site.visitor() as here, site.visitor() as there, site.visitor() as bob:
        for visitor, user in ((here, "ada"), (there, "ada"), (bob, "bob")):
            await visitor.get(f"/login?user={user}")
        assert (await here.get("/others")).json() == 1
        assert (await here.get("/me")).json() == "ada"
        assert (await there.get("/me")).json() is None
        assert (await bob.get("/me")).json() == "bob"
        assert (await here.get("/others")).json() == 0


async def test_revoking_others_while_signing_in(site, store):
    """The session that is just being signed in is not one of the others."""

    @site.view
    async def takeover(request):
        await sign_in(request, "ada")
        return JSONResponse(await revoke_other_sessions(request))

    async with site.visitor() as here, site.visitor() as there:
        await there.get("/login?user=ada")
        assert (await here.get("/takeover")).json() == 1
        assert (await here.get("/me")).json() == "ada"
        assert len(await list_sessions(store, "ada")) == 1


async def test_a_revoked_session_is_not_revived(site, visitor, store):
    """A request that works on a session while it is revoked neither stores it nor lists it again."""

    @site.view
    async def slow(request):
        assert await revoke_all_sessions(store, "ada") == 1
        request.session["late"] = 1
        return Response()

    await visitor.get("/login?user=ada")
    assert "set-cookie" not in (await visitor.get("/slow")).headers
    assert await list_sessions(store, "ada") == []
    assert (await visitor.get("/show")).json() == {}


async def test_expired_sessions_leave_the_list(site, visitor, store, clock):
    """A session whose lifetime is over is not listed."""
    await visitor.get("/login?user=ada")
    if isinstance(store, RedisStore):  # whose time is its own
        for key in await store._client().keys("*"):
            if await store._client().type(key) == b"string":
                await store._client().delete(key)
    else:
        clock.advance(3601)
    assert await list_sessions(store, "ada") == []
    if isinstance(store, RedisStore):
        assert await store._client().keys() == []


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


@pytest.mark.parametrize("store", ["redis", "redis, hashed"], indirect=True)
async def test_reading_a_users_session_is_one_command(site, visitor, redis_client, store):
    """Being signed in costs a request that only reads nothing."""
    await visitor.get("/login?user=ada")
    await redis_client.config_resetstat()
    await visitor.get("/show")
    stats = await redis_client.info("commandstats")
    assert {name for name in stats if not name.startswith(("cmdstat_config", "cmdstat_info"))} == {"cmdstat_get"}


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


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (FIREFOX, "Firefox on Linux"),
        (PHONE, "Safari on iPhone"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36",
            "Chrome on Android",
        ),
        ("curl/8.5.0", "curl"),
        ("", "unknown"),
        ("<script>alert(1)</script>", "unknown"),
        ("x" * 5000, "x" * 40),
    ],
)
def test_device_names(user_agent, name):
    """The name of a device is short and holds nothing of the visitor's making but a product name."""
    assert device_name(user_agent) == name


async def test_emptied_sessions_leave_the_list(make_site, store):
    """A session that goes on under its id after `clear()` is no longer among those of the user it belonged to."""
    site = make_site(store, lifetime=60)

    @site.view
    async def login(request):
        await sign_in(request, "ada")
        return Response()

    @site.view
    async def leave(request):
        request.session.clear()
        request.session["message"] = "Good bye"
        return Response()

    async with site.visitor() as visitor:
        await visitor.get("/login")
        assert len(await list_sessions(store, "ada")) == 1
        await visitor.get("/leave")
        assert (await visitor.get("/show")).json() == {"message": "Good bye"}
    assert await list_sessions(store, "ada") == []
