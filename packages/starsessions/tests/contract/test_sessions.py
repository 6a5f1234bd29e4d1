"""What a visitor and an application see is the same with every store."""

import json

import httpx
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from starsessions import (
    CookieStore,
    InMemoryStore,
    SessionAutoloadMiddleware,
    SessionMiddleware,
    SessionNotLoaded,
    get_session_handler,
    get_session_id,
    get_session_metadata,
    get_session_remaining_seconds,
    is_loaded,
    load_session,
    regenerate_session_id,
)
from starsessions.exceptions import SessionNotSerializable

pytestmark = pytest.mark.anyio


async def test_data_comes_back(visitor):
    """What one request puts into the session, the next one finds."""
    await visitor.get("/update?name=Ada&role=admin")
    assert (await visitor.get("/show")).json() == {"name": "Ada", "role": "admin"}


async def test_visitors_do_not_share(site):
    """Two visitors have two sessions."""
    async with site.visitor() as ada, site.visitor() as bob:
        await ada.get("/update?name=Ada")
        await bob.get("/update?name=Bob")
        assert (await ada.get("/show")).json() == {"name": "Ada"}
        assert (await bob.get("/show")).json() == {"name": "Bob"}


async def test_reading_sets_no_cookie(visitor):
    """A request that changes nothing gets no Set-Cookie, but caches are told that the answer depends on the cookie."""
    await visitor.get("/update?name=Ada")
    answer = await visitor.get("/show")
    assert "set-cookie" not in answer.headers
    assert answer.headers["vary"] == "Cookie"


async def test_empty_session_is_not_stored(visitor):
    """A new visitor whose session stays empty gets no cookie."""
    assert "set-cookie" not in (await visitor.get("/show")).headers


async def test_unused_session_leaves_no_trace(site, visitor):
    """Where the session is not loaded, the answer carries neither Set-Cookie nor Vary."""
    await visitor.get("/update?name=Ada")
    answer = await visitor.get("/untouched")
    assert "set-cookie" not in answer.headers
    assert "vary" not in answer.headers


async def test_clearing_ends_the_session(site, visitor):
    """An emptied session is removed, and the browser is told to forget the cookie."""
    await visitor.get("/update?name=Ada")
    cookie = visitor.cookies["session"]
    answer = await visitor.get("/clear")
    assert answer.headers["set-cookie"] == (
        "session=''; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT; httponly; samesite=lax; secure"
    )
    assert (await visitor.get("/show")).json() == {}
    if not isinstance(site.store, CookieStore):  # a cookie that was kept aside has no server to forget it
        assert (await visitor.get("/show", headers={"cookie": f"session={cookie}"})).json() == {}


async def test_changes_deep_inside_are_saved(site, visitor):
    """Changing a list or a dictionary inside the session is enough to have it stored."""

    @site.view
    async def deep(request):
        request.session.setdefault("cart", {"items": []})["items"].append("apple")
        return JSONResponse(request.session)

    await visitor.get("/deep")
    await visitor.get("/deep")
    assert (await visitor.get("/show")).json() == {"cart": {"items": ["apple", "apple"]}}


async def test_replacing_the_dictionary_is_saved(site, visitor):
    """A new dictionary put into the scope takes the session's place."""

    @site.view
    async def swap(request):
        request.scope["session"] = {"fresh": 1}
        return Response()

    await visitor.get("/update?old=1")
    await visitor.get("/swap")
    assert (await visitor.get("/show")).json() == {"fresh": 1}


async def test_metadata_stays_out_of_the_session(site, visitor):
    """The metadata is stored beside the data and never seen in it, not even by a body sent after saving."""

    @site.view
    async def stream(request):
        request.session["a"] = 1

        async def body():
            yield json.dumps(request.session)

        return StreamingResponse(body())

    assert (await visitor.get("/stream")).json() == {"a": 1}


@pytest.mark.parametrize("load_first", [True, False])
async def test_regenerating_keeps_the_data(make_site, store, load_first):
    """A new id brings the data along, whether or not the session was loaded, and the old id is worth nothing."""
    site = make_site(store, lifetime=60, autoload=False)

    @site.view
    async def fill(request):
        await load_session(request)
        request.session["name"] = "Ada"
        return Response()

    @site.view
    async def login(request):
        if load_first:
            await load_session(request)
        regenerate_session_id(request)
        return Response()

    @site.view
    async def look(request):
        await load_session(request)
        return JSONResponse(request.session)

    async with site.visitor() as visitor:
        await visitor.get("/fill")
        before = visitor.cookies["session"]
        await visitor.get("/login")
        after = visitor.cookies["session"]
        assert (await visitor.get("/look")).json() == {"name": "Ada"}
        if not isinstance(store, CookieStore):  # a signed cookie has no id: the data is in it
            assert before != after
            visitor.cookies.clear()
            stolen = await visitor.get("/look", headers={"cookie": f"session={before}"})
            assert stolen.json() == {}


async def test_regenerate_before_load_keeps_the_data(make_site, store):
    """Regenerating first and loading afterwards loads the data stored under the old id."""
    site = make_site(store, lifetime=60)

    @site.view
    async def untouched(request):
        regenerate_session_id(request)
        await load_session(request)
        return JSONResponse(request.session)

    async with site.visitor() as visitor:
        await visitor.get("/update?name=Ada")
        assert (await visitor.get("/untouched")).json() == {"name": "Ada"}
        assert (await visitor.get("/show")).json() == {"name": "Ada"}


async def test_regenerate_and_clear_ends_both_ids(site, visitor, store):
    """A session that is regenerated and emptied in one request is gone under its old id, too."""

    @site.view
    async def leave(request):
        regenerate_session_id(request)
        request.session.clear()
        return Response()

    await visitor.get("/update?name=Ada")
    old = visitor.cookies["session"]
    answer = await visitor.get("/leave")
    assert answer.headers["set-cookie"].startswith("session='';")
    if not isinstance(store, CookieStore):
        assert (await visitor.get("/show", headers={"cookie": f"session={old}"})).json() == {}


async def test_unknown_id_is_not_adopted(visitor, store):
    """An id that the visitor, or someone else, has chosen is replaced by one of our own."""
    chosen = "0123456789abcdef0123456789abcdef"
    answer = await visitor.get("/update?name=Ada", headers={"cookie": f"session={chosen}"})
    assert chosen not in answer.headers["set-cookie"]
    visitor.cookies.clear()
    assert (await visitor.get("/show", headers={"cookie": f"session={chosen}"})).json() == {}


async def test_lenient_ids(make_site, store):
    """With strict_ids=False a server-side store keeps an unknown id, for ids that are handed out elsewhere."""
    site = make_site(store, lifetime=60, strict_ids=False)
    async with site.visitor() as visitor:
        answer = await visitor.get("/update?a=1", headers={"cookie": "session=chosen-elsewhere-1"})
        adopted = answer.headers["set-cookie"].startswith("session=chosen-elsewhere-1;")
        assert adopted is not isinstance(store, CookieStore)


async def test_unloaded_session_refuses(make_site, store):
    """Using a session before loading it raises SessionNotLoaded; naming it does not."""
    site = make_site(store, autoload=False)
    uses = [
        lambda s: s["a"],
        lambda s: s.__setitem__("a", 1),
        lambda s: s.__delitem__("a"),
        lambda s: "a" in s,
        lambda s: s.get("a"),
        list,
        dict,
        len,
        bool,
        lambda s: s == {},
        lambda s: {**s},
        json.dumps,
        lambda s: json.dumps(s, indent=1),
        lambda s: s.update(a=1),
        lambda s: s.copy(),
        lambda s: s | {},
    ]

    @site.view
    async def use(request):
        session = request.session
        assert repr(session) == "<Session: not loaded>"
        for use in uses:
            with pytest.raises(SessionNotLoaded, match="load_session"):
                use(session)
        return Response()

    async with site.visitor() as visitor:
        assert (await visitor.get("/use")).status_code == 200


async def test_what_the_helpers_say(make_site, store):
    """The helper functions tell what is known before loading, after loading and after storing."""
    site = make_site(store, lifetime=3600, autoload=False)

    @site.view
    async def ask(request):
        assert get_session_id(request) is None
        assert is_loaded(request) is False
        with pytest.raises(SessionNotLoaded):
            get_session_metadata(request)
        with pytest.raises(SessionNotLoaded):
            get_session_remaining_seconds(request)
        await load_session(request)
        assert is_loaded(request) is True
        metadata = get_session_metadata(request)
        assert metadata["lifetime"] == 3600
        assert metadata["created"] == metadata["last_access"]
        assert 3500 <= get_session_remaining_seconds(request) <= 3600
        request.session["a"] = 1
        assert get_session_id(request) is None
        saved = await get_session_handler(request).save()
        assert get_session_id(request) == saved
        return Response()

    async with site.visitor() as visitor:
        answer = await visitor.get("/ask")
        assert answer.status_code == 200
        assert answer.headers["set-cookie"].startswith("session=")


async def test_loading_twice_keeps_changes(site, visitor):
    """A second call of load_session changes nothing."""

    @site.view
    async def twice(request):
        request.session["a"] = 1
        await load_session(request)
        return JSONResponse(request.session)

    assert (await visitor.get("/twice")).json() == {"a": 1}


async def test_scope_copies_see_the_data(make_site, store):
    """A middleware in between that copies the scope does not separate the application from its session."""

    class Copying:
        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            await self.app(dict(scope), receive, send)

    site = make_site(store, autoload=False, inside=[Middleware(Copying)])

    @site.view
    async def look(request):
        await load_session(request)
        request.session["a"] = 1
        return JSONResponse(request.session)

    async with site.visitor() as visitor:
        assert (await visitor.get("/look")).json() == {"a": 1}
        assert "session" in visitor.cookies


async def test_http_errors_save_and_crashes_do_not(site):
    """A session changed before an HTTPException is stored; one changed before an unhandled error is not."""

    @site.view
    async def refuse(request):
        request.session["refused"] = True
        raise HTTPException(403)

    @site.view
    async def crash(request):
        request.session["crashed"] = True
        raise RuntimeError

    async with site.visitor(raise_app_exceptions=False) as visitor:
        assert (await visitor.get("/refuse")).status_code == 403
        assert (await visitor.get("/crash")).status_code == 500
        assert (await visitor.get("/show")).json() == {"refused": True}


async def test_values_that_cannot_be_stored(site):
    """The error for a value that cannot be stored names its key and its type."""

    @site.view
    async def store_a_set(request):
        request.session["fine"] = 1
        request.session["tags"] = {"a"}
        return Response()

    async with site.visitor() as visitor:
        with pytest.raises(TypeError, match=r"'tags' holds a set that JsonSerializer cannot store"):
            await visitor.get("/store_a_set")


async def test_values_that_are_nested_too_deeply(site):
    """So does the error for what JSON cannot hold because it has too many levels."""
    levels = []
    for _ in range(100_000):
        levels = [levels]

    @site.view
    async def nest(request):
        request.session["levels"] = levels
        return Response()

    async with site.visitor() as visitor:
        with pytest.raises(SessionNotSerializable, match=r"'levels' holds a list that JsonSerializer cannot store"):
            await visitor.get("/nest")


async def test_destroy(site, visitor, store):
    """`destroy` removes the session even though the application leaves data in it."""

    @site.view
    async def destroy(request):
        request.session["more"] = 1
        await get_session_handler(request).destroy()
        return JSONResponse(request.session)

    await visitor.get("/update?name=Ada")
    answer = await visitor.get("/destroy")
    assert answer.json() == {}
    assert answer.headers["set-cookie"].startswith("session='';")
    assert (await visitor.get("/show")).json() == {}


async def test_rolling_sessions_send_the_cookie_each_time(make_site, store):
    """A rolling session's cookie is renewed by every response that loaded the session."""
    site = make_site(store, lifetime=60, rolling=True)
    async with site.visitor() as visitor:
        await visitor.get("/update?name=Ada")
        answer = await visitor.get("/show")
        assert "; max-age=60; " in answer.headers["set-cookie"]


async def test_two_sessions_side_by_side(store):
    """Two middlewares with cookies of different names keep two sessions apart."""

    async def view(request):
        request.session["inner"] = 1
        return JSONResponse(request.session)

    class Outer:
        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            if scope["type"] == "http":
                scope["session"]["outer"] = 1
            await self.app(scope, receive, send)

    inner_store = InMemoryStore()
    app = Starlette(
        routes=[Route("/", view)],
        middleware=[
            Middleware(SessionMiddleware, store=store, cookie_name="outer"),
            Middleware(SessionAutoloadMiddleware),
            Middleware(Outer),
            Middleware(SessionMiddleware, store=inner_store, cookie_name="inner"),
            Middleware(SessionAutoloadMiddleware),
        ],
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://site.example") as visitor:
        assert (await visitor.get("/")).json() == {"inner": 1}
        document = await store.read(visitor.cookies["outer"], lifetime=0)
        assert {key for key in json.loads(document) if key != "__metadata__"} == {"outer"}
        inner = await inner_store.read(visitor.cookies["inner"], lifetime=0)
        assert {key for key in json.loads(inner) if key != "__metadata__"} == {"inner"}
