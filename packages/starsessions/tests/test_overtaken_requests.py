"""A request that only reads a session while others end it: its answer does not send the old cookie once more."""

import asyncio

import pytest
from starlette.responses import JSONResponse, Response

from starsessions import CookieStore, InMemoryStore, regenerate_session_id
from starsessions.stores.redis import RedisStore

pytestmark = pytest.mark.anyio


class Pause:
    """Holds a request back after it has read its session."""

    def __init__(self):
        self.begun, self.over = asyncio.Event(), asyncio.Event()


def slow_site(make_site, store, **options):
    """Return a rolling site, and the pause of its page `/slow`."""
    site = make_site(store, lifetime=60, rolling=True, **options)
    pause = Pause()

    @site.view
    async def slow(request):
        if request.query_params:
            await request.session.save()
        pause.begun.set()
        await pause.over.wait()
        return JSONResponse(request.session)

    @site.view
    async def login(request):
        regenerate_session_id(request)
        return Response()

    return site, pause


async def overlap(slow_visitor, pause, path="/slow"):
    """Begin a slow request; return its answer as a task."""
    answer = asyncio.ensure_future(slow_visitor.get(path))
    await pause.begun.wait()
    return answer


@pytest.mark.parametrize("ending", ["/login", "/clear"])
async def test_a_slow_read_does_not_bring_the_old_cookie_back(make_site, store, ending):
    """What a sign-in or a logout has told the browser is not undone by a slow answer with the cookie from before."""
    site, pause = slow_site(make_site, store)
    async with site.visitor() as visitor:
        await visitor.get("/update?name=Ada")
        slow = await overlap(visitor, pause)
        ended = await visitor.get(ending)
        pause.over.set()
        answer = await slow
        assert answer.json() == {"name": "Ada"}
        assert "set-cookie" in ended.headers
        assert "set-cookie" not in answer.headers
        assert (await visitor.get("/show")).json() == ({"name": "Ada"} if ending == "/login" else {})


@pytest.mark.parametrize("kind", ["memory", "redis"])
@pytest.mark.parametrize("path", ["/slow", "/slow?save"])
async def test_a_server_of_its_own(make_site, redis_client, monkeypatch, kind, path):
    """A request that took its time looks whether another server has ended the session before it renews the cookie."""
    monkeypatch.setattr("starsessions.overtaken._QUICK_SECONDS", -1)
    store = InMemoryStore() if kind == "memory" else RedisStore(connection=redis_client)
    (site, pause), (other, _) = slow_site(make_site, store), slow_site(make_site, store)
    async with site.visitor() as visitor, other.visitor() as elsewhere:
        await visitor.get("/update?name=Ada")
        elsewhere.cookies = visitor.cookies
        slow = await overlap(visitor, pause, path)
        await elsewhere.get("/login")
        pause.over.set()
        assert "set-cookie" not in (await slow).headers
        assert (await elsewhere.get("/show")).json() == {"name": "Ada"}


async def test_a_session_that_goes_on_is_renewed(make_site, store, monkeypatch):
    """However slow a request was, a session that nobody has ended lives on, and so does its cookie."""
    monkeypatch.setattr("starsessions.overtaken._QUICK_SECONDS", -1)
    site, pause = slow_site(make_site, store)
    async with site.visitor() as visitor:
        await visitor.get("/update?name=Ada")
        slow = await overlap(visitor, pause)
        assert (await visitor.get("/show")).json() == {"name": "Ada"}
        pause.over.set()
        renewed = isinstance(store, CookieStore)  # where each answer has a cookie of its own, the other one is newer
        assert ("max-age=60" in (await slow).headers.get("set-cookie", "")) is not renewed
        assert "max-age=60" in (await visitor.get("/show")).headers["set-cookie"]


async def test_an_answer_that_was_lost_is_no_ending(make_site):
    """A signed cookie that was followed by a newer one is renewed where the browser never received that one."""
    site, _ = slow_site(make_site, CookieStore("k" * 32))
    async with site.visitor() as visitor:
        first = (await visitor.get("/update?name=Ada")).headers["set-cookie"].partition(";")[0]
        for _ in range(2):
            visitor.cookies.clear()
            answer = await visitor.get("/show", headers={"cookie": first})
            assert (answer.json(), "max-age=60" in answer.headers["set-cookie"]) == ({"name": "Ada"}, True)


async def test_a_store_that_cannot_tell(make_site, caplog):
    """If the store fails when it is asked whether the session goes on, the answer leaves all the same."""

    class Failing(InMemoryStore):
        fails = False

        async def renew(self, session_id, lifetime):
            if self.fails:
                raise OSError
            return await super().renew(session_id, lifetime)

    store = Failing()
    site, pause = slow_site(make_site, store)
    async with site.visitor() as visitor:
        await visitor.get("/update?name=Ada")
        slow = await overlap(visitor, pause)
        store.fails = True
        pause.over.set()
        assert "set-cookie" in (await slow).headers
    assert [record.event for record in caplog.records] == ["session.store_failed"]
