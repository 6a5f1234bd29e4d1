"""Time travel: no store serves a session past its end, and no session ends before it."""

import json
import logging
import re

import pytest
from starlette.responses import JSONResponse

from starsessions import (
    CookieStore,
    ImproperlyConfigured,
    InMemoryStore,
    get_session_metadata,
    get_session_remaining_seconds,
)
from starsessions.lifetime import Lifetime
from starsessions.stores.memory import Record
from starsessions.stores.redis import RedisStore

pytestmark = pytest.mark.anyio


def max_age(answer):
    return int(re.search(r"max-age=(\d+)", answer.headers["set-cookie"])[1])


async def test_absolute_lifetime(site, visitor, clock, caplog):
    """A session ends its lifetime after it was created, however often it is used and changed meanwhile."""
    await visitor.get("/update?a=1")
    for _ in range(3):
        clock.advance(15)
        assert (await visitor.get("/update?b=1")).json()["a"] == "1"
        visitor.cookies.jar.clear_expired_cookies()
    cookie = visitor.cookies["session"]
    clock.advance(15.5)
    answer = await visitor.get("/show", headers={"cookie": f"session={cookie}"})
    assert answer.json() == {}


async def test_expired_records_are_removed(make_site, redis_client, clock, caplog):
    """A record that the server still has after the session's end is removed and not served."""
    store = RedisStore(connection=redis_client)
    async with make_site(store, lifetime=60).visitor() as visitor:
        await visitor.get("/update?a=1")
        session_id = visitor.cookies["session"]
        clock.advance(61)
        with caplog.at_level(logging.INFO, logger="starsessions"):
            answer = await visitor.get("/update?b=1", headers={"cookie": f"session={session_id}"})
    assert answer.json() == {"b": "1"}
    assert session_id not in answer.headers["set-cookie"]
    assert not await store.exists(session_id)
    assert [record.event for record in caplog.records] == ["session.expired"]


async def test_max_age_counts_down(make_site, store, clock):
    """The cookie of a session that does not roll ends with the session: what is left is truncated to seconds."""
    async with make_site(store, lifetime=60).visitor() as visitor:
        assert max_age(await visitor.get("/update?a=1")) in {59, 60}
        clock.advance(30)
        assert max_age(await visitor.get("/update?a=2")) == 29  # not 30: some microseconds are gone
        clock.advance(28.5)
        header = {"cookie": f"session={visitor.cookies['session']}"}
        assert max_age(await visitor.get("/update?a=3", headers=header)) == 1


# Redis keeps its own time: see test_redis_commands.test_renewing_is_one_command.
@pytest.mark.parametrize("store", ["memory", "cookie", "third party"], indirect=True)
async def test_rolling_lifetime(make_site, clock, store):
    """A rolling session lives as long as it is used within its lifetime, and ends without use."""
    async with make_site(store, lifetime=60, rolling=True).visitor() as visitor:
        await visitor.get("/update?a=1")
        for _ in range(4):
            clock.advance(50)
            answer = await visitor.get("/show")
            assert answer.json() == {"a": "1"}
            assert max_age(answer) == 60
        cookie = visitor.cookies["session"]
        clock.advance(62)
        answer = await visitor.get("/show", headers={"cookie": f"session={cookie}"})
        assert answer.json() == {}


async def test_shorter_lifetime_applies_to_stored_sessions(make_site, store, clock):
    """The configured lifetime counts, not the one that was configured when the session was stored."""
    async with make_site(store, lifetime=9999).visitor() as visitor:
        await visitor.get("/update?a=1")
        cookies = visitor.cookies
    clock.advance(61)
    async with make_site(store, lifetime=60).visitor() as visitor:
        visitor.cookies = cookies
        assert (await visitor.get("/show")).json() == {}


async def test_metadata_helpers(make_site, store, clock):
    """`created` stays, `last_access` is now, `lifetime` is the configured one."""
    site = make_site(store, lifetime=600)

    @site.view
    async def metadata(request):
        return JSONResponse({**get_session_metadata(request), "remaining": get_session_remaining_seconds(request)})

    async with site.visitor() as visitor:
        await visitor.get("/update?a=1")
        first = (await visitor.get("/metadata")).json()
        clock.advance(100)
        second = (await visitor.get("/metadata")).json()
    assert second["created"] == first["created"]
    assert 100 <= second["last_access"] - first["last_access"] < 110
    assert second["lifetime"] == 600
    assert 490 <= second["remaining"] <= 500


@pytest.mark.parametrize("rolling", [True, False, None])
def test_no_fixed_end(rolling):
    """A lifetime of 0 never expires by itself and leaves nothing to count."""
    metadata = {"lifetime": 0, "created": 0.0, "last_access": 0.0}
    rules = Lifetime(0, rolling)
    assert not rules.expired(metadata, 1e12, store_expires=False)
    assert (rules.remaining(metadata, 1e12), rules.ttl(metadata, 1e12)) == (0, 0)


@pytest.mark.parametrize("store", ["third party"], indirect=True)
async def test_stores_without_expiry_are_refreshed(make_site, store, clock):
    """A session without a fixed end is rewritten now and then, so that a store's own deadline moves on."""
    async with make_site(store).visitor() as visitor:
        await visitor.get("/update?a=1")
        clock.advance(600)
        await visitor.get("/show")
        assert store.calls == ["write", "read"]
        clock.advance(3600)
        await visitor.get("/show")
        assert store.calls == ["write", "read", "read", "write"]


async def test_memory_store_forgets(clock):
    """Expired sessions leave the memory while others are written, and none is kept longer for a late request."""
    store = InMemoryStore()
    for number in range(1000):
        await store.write(f"short-{number}", b"x", lifetime=60, ttl=1)
        await store.write(f"long-{number}", b"x", lifetime=600, ttl=600)
    clock.advance(2)
    for number in range(1000):
        await store.write(f"new-{number}", b"x", lifetime=600, ttl=600)
    assert len(store.data) == 2000
    clock.advance(599)
    assert await store.read("long-0", lifetime=600) == b""
    assert await store.read("new-0", lifetime=600) == b"x"


async def test_memory_store_renews(clock):
    """Renewing moves a record's end; sweeping keeps renewed records."""
    store = InMemoryStore(gc_ttl=100)
    await store.write("a", b"x", lifetime=60, ttl=60)
    await store.write("session-only", b"x", lifetime=0, ttl=0)
    clock.advance(59)
    assert await store.renew("a", lifetime=60) == b"x"
    assert await store.renew("session-only", lifetime=0) == b"x"
    clock.advance(59)
    await store.write("b", b"x", lifetime=60, ttl=60)
    assert await store.read("a", lifetime=60) == b"x"
    assert await store.exists("session-only")
    clock.advance(42)
    assert not await store.exists("session-only")


async def test_memory_store_stays_small_without_expiry():
    """Sessions that come and go leave nothing behind although their end is far away."""
    store = InMemoryStore()
    for number in range(5000):
        await store.write(str(number), b"x", lifetime=10_000, ttl=10_000)
        await store.remove(str(number))
    assert not store.data
    assert len(store._due) <= 65


async def test_memory_store_is_bounded(clock):
    """A full store gives up the session that would end first; one that was renewed is not it."""
    store = InMemoryStore(max_sessions=3)
    for name, lifetime in (("renewed", 10), ("short", 20), ("long", 30)):
        await store.write(name, b"x", lifetime=lifetime, ttl=lifetime)
    clock.advance(5)
    await store.renew("renewed", lifetime=600)
    await store.write("new", b"x", lifetime=60, ttl=60)
    assert set(store.data) == {"renewed", "long", "new"}
    for number in range(1000):
        await store.write(f"flood-{number}", b"x", lifetime=60, ttl=60)
    assert len(store.data) == len(store._due) == 3
    with pytest.raises(
        ImproperlyConfigured, match="max_sessions: a whole number, or None for no limit, is needed, at least 1, not 0"
    ):
        InMemoryStore(max_sessions=0)


async def test_memory_store_data():
    """`data` shows the records; bytes that a test puts there are served and do not expire."""
    store = InMemoryStore()
    store.data["session_id"] = b"{}"
    assert await store.read("session_id", lifetime=1) == b"{}"
    assert await store.renew("session_id", lifetime=1) == b"{}"
    await store.write("other", b"x", lifetime=60, ttl=60)
    assert isinstance(store.data["other"], Record)
    assert store.data["other"].value == b"x"


async def test_cookie_signature_ages(clock):
    """A signed cookie is refused when its signature is older than the lifetime, or 360 days without one."""
    store = CookieStore("k" * 32)
    cookie = await store.write("", json.dumps({}).encode(), lifetime=0, ttl=0)
    clock.advance(61)
    assert await store.read(cookie, lifetime=60) == b""
    assert await store.read(cookie, lifetime=0) == b"{}"
    clock.advance(360 * 24 * 3600)
    assert await store.read(cookie, lifetime=0) == b""
