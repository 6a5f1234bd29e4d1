"""The list of a user's sessions: what it shows, and what leaves it."""

import pytest
from starlette.responses import Response

from starsessions.devices import device_name
from starsessions.stores.redis import RedisStore
from starsessions.users import (
    list_sessions,
    sign_in,
)

pytestmark = pytest.mark.anyio

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.6 Mobile/15E148 Safari/604.1"
)


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
