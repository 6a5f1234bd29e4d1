"""Options of the middleware: two clocks, cookie attributes, caching, errors; and saving by hand."""

import asyncio
import logging
import re

import pytest
from redis.asyncio import Redis
from starlette.background import BackgroundTask
from starlette.responses import Response, StreamingResponse

from starsessions import CookieStore, InMemoryStore, SessionNotLoaded
from starsessions.exceptions import InvalidCookieSettings, InvalidLifetime
from starsessions.guard import Session
from starsessions.middleware import SessionMiddleware
from starsessions.stores.redis import RedisStore

pytestmark = pytest.mark.anyio


def max_age(answer):
    return int(re.search(r"max-age=(\d+)", answer.headers["set-cookie"])[1])


async def test_max_age_near_the_absolute_end(make_site, clock):
    """A rolling cookie never promises more than the absolute end leaves."""
    site = make_site(InMemoryStore(), lifetime=60, rolling=True, absolute_lifetime=100)
    async with site.visitor() as visitor:
        assert max_age(await visitor.get("/update?a=1")) == 60
        clock.advance(30)
        assert max_age(await visitor.get("/show")) == 60
        clock.advance(30)
        assert max_age(await visitor.get("/show")) == 39
        clock.advance(39.5)
        header = {"cookie": f"session={visitor.cookies['session']}"}
        assert max_age(await visitor.get("/show", headers=header)) == 1
        clock.advance(1)
        answer = await visitor.get("/show", headers=header)
        assert answer.json() == {}
        assert answer.headers["set-cookie"].startswith("session='';")


@pytest.mark.parametrize(("lifetime", "expected"), [(0, 10_000), (6000, 6000), (50_000, 10_000)])
async def test_redis_keeps_no_longer_than_the_absolute_end(make_site, redis_client: Redis, lifetime, expected):
    """The time to live in Redis is the shorter of the two clocks, and that of a session-only one its gc_ttl."""
    for gc_ttl in (360_000, 5000):
        store = RedisStore(connection=redis_client, gc_ttl=gc_ttl)
        async with make_site(store, lifetime=lifetime, absolute_lifetime=10_000).visitor() as visitor:
            answer = await visitor.get("/update?a=1")
            assert ("max-age" in answer.headers["set-cookie"]) is (lifetime > 0)
            ttl = await redis_client.ttl(f"starsessions.{visitor.cookies['session']}")
            end = expected if lifetime else min(expected, gc_ttl)
            assert end - 100 <= ttl <= end


@pytest.mark.parametrize("bad", [-1, 0.5, "soon"], ids=str)
def test_refused_absolute_lifetimes(bad):
    """An absolute lifetime that is no positive number of seconds is refused by its name."""
    with pytest.raises(InvalidLifetime, match="absolute_lifetime"):
        SessionMiddleware(None, store=InMemoryStore(), absolute_lifetime=bad)


async def test_partitioned_cookies(make_site):
    """A partitioned cookie says so when it is set and when it is cleared."""
    site = make_site(InMemoryStore(), cookie_partitioned=True, cookie_same_site="none", cookie_name="__Host-s")
    async with site.visitor() as visitor:
        for path in ("/update?a=1", "/clear"):
            header = (await visitor.get(path)).headers["set-cookie"]
            assert header.endswith("; httponly; samesite=none; secure; partitioned")


def test_partitioned_needs_secure():
    """Browsers refuse a partitioned cookie that is not secure, and so does the middleware."""
    with pytest.raises(InvalidCookieSettings, match="cookie_partitioned"):
        SessionMiddleware(None, store=InMemoryStore(), cookie_partitioned=True, cookie_https_only=False)


@pytest.mark.parametrize(
    ("own", "expected"),
    [(None, "no-store"), ("public, max-age=60", "public, max-age=60, no-store"), ("No-Store", "No-Store")],
)
async def test_no_store(make_site, own, expected):
    """With no_store, no cache keeps an answer that used its session; other answers are left alone."""
    site = make_site(InMemoryStore(), no_store=True)

    @site.view
    async def page(request):
        return Response(headers={} if own is None else {"cache-control": own})

    async with site.visitor() as visitor:
        assert (await visitor.get("/page")).headers.get_list("cache-control") == [expected]
        assert "cache-control" not in (await visitor.get("/untouched")).headers


@pytest.mark.parametrize("save_on_server_error", [True, False])
async def test_server_errors(make_site, store, save_on_server_error):
    """An answer of status 500 stores the session, or with save_on_server_error=False discards what was changed."""
    site = make_site(store, lifetime=60, save_on_server_error=save_on_server_error)

    @site.view
    async def broken(request):
        request.session["broken"] = 1
        return Response(status_code=500)

    async with site.visitor() as visitor:
        await visitor.get("/update?a=1")
        answer = await visitor.get("/broken")
        assert answer.headers["vary"] == "Cookie"
        assert ("broken" in (await visitor.get("/show")).json()) is save_on_server_error


@pytest.mark.parametrize("store", ["memory", "redis", "third party"], indirect=True)
async def test_saving_by_hand(site, visitor):
    """`await request.session.save()` stores what a stream or a background task changes."""
    finished = asyncio.Event()

    @site.view
    async def stream(request):
        async def body():
            yield b"a"
            request.session["streamed"] = 1
            await request.session.save()

        return StreamingResponse(body())

    @site.view
    async def later(request):
        async def task():
            request.session["later"] = 1
            await request.session.save()
            finished.set()

        return Response(background=BackgroundTask(task))

    await visitor.get("/update?a=1")
    await visitor.get("/stream")
    await visitor.get("/later")
    await finished.wait()
    assert (await visitor.get("/show")).json() == {"a": "1", "streamed": 1, "later": 1}


async def test_saving_without_loading():
    """Saving a session that is not loaded is an error that says what to do."""
    with pytest.raises(SessionNotLoaded, match="load_session"):
        await Session().save()


@pytest.mark.parametrize("change", ["set", "delete", "save", "nothing"])
async def test_late_changes_are_reported(make_site, change, caplog):
    """A change after the response started that nobody stores is logged; one that is saved, or none, is not."""
    site = make_site(InMemoryStore())

    @site.view
    async def stream(request):
        async def body():
            yield b"a"
            if change == "delete":
                del request.session["a"]
            elif change != "nothing":
                request.session["late"] = 1
            if change == "save":
                await request.session.save()

        return StreamingResponse(body())

    async with site.visitor() as visitor:
        await visitor.get("/update?a=1")
        with caplog.at_level(logging.WARNING, logger="starsessions"):
            await visitor.get("/stream")
    expected = ["session.change_lost"] if change in {"set", "delete"} else []
    assert [record.event for record in caplog.records] == expected


@pytest.mark.parametrize(
    ("kind", "advice"), [("memory", "request.session.save"), ("cookie", "Change the session before")]
)
async def test_late_changes_come_with_advice_that_helps(make_site, kind, advice, caplog):
    """Where the cookie would have to change there is nothing to save late any more, and the log does not say so."""
    site = make_site(InMemoryStore() if kind == "memory" else CookieStore("k" * 32))

    @site.view
    async def stream(request):
        async def body():
            yield b"a"
            request.session["late"] = 1

        return StreamingResponse(body())

    async with site.visitor() as visitor:
        await visitor.get("/update?a=1")
        await visitor.get("/stream")
    (record,) = caplog.records
    assert advice in record.reason


async def test_an_old_signature_is_cleared(make_site, clock):
    """A signed cookie past its age is refused and cleared, unless a new session takes its place."""
    async with make_site(CookieStore("k" * 32), lifetime=60).visitor() as visitor:
        await visitor.get("/update?a=1")
        header = {"cookie": f"session={visitor.cookies['session']}"}
        clock.advance(61.5)
        assert (await visitor.get("/show", headers=header)).headers["set-cookie"].startswith("session='';")
        assert (await visitor.get("/update?b=1", headers=header)).json() == {"b": "1"}
        assert (await visitor.get("/show")).json() == {"b": "1"}


async def test_unreadable_records_are_never_adopted(make_site, store):
    """Where unknown ids are adopted, one under which there is something unreadable still is not: it stays as it is."""
    site = make_site(store, lifetime=60, strict_ids=False)
    async with site.visitor() as visitor:
        known = await store.write("chosen-id", b"\xff", lifetime=60, ttl=60)
        answer = await visitor.get("/update?a=1", headers={"cookie": f"session={known}"})
    assert answer.json() == {"a": "1"}
    assert answer.cookies["session"] not in {known, "chosen-id"}
    assert await store.read(known, lifetime=60) == b"\xff"
