"""Every documented example runs as it is written, in an application where it is one."""

import json
import re
import typing
import warnings

import pytest
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from starsessions import (
    CookieStore,
    InMemoryStore,
    Serializer,
    SessionAutoloadMiddleware,
    SessionMiddleware,
    SessionNotLoaded,
    SessionStore,
    load_session,
)
from starsessions.session import regenerate_session_id
from starsessions.stores.redis import RedisStore

pytestmark = [
    pytest.mark.filterwarnings("ignore:CookieStore. a secret_key has fewer:UserWarning"),
    pytest.mark.filterwarnings("ignore:SessionMiddleware got no store:UserWarning"),
]


def visit(middleware, *views):
    """Return a browser on an application with these middlewares and one path for each view."""
    app = Starlette(middleware=middleware, routes=[Route("/" + view.__name__, view) for view in views])
    return TestClient(app, base_url="https://site.example")


async def fill(request):
    await load_session(request)
    request.session["key"] = "value"
    return JSONResponse(request.session)


async def look(request):
    await load_session(request)
    return JSONResponse(request.session)


async def autoloaded(request):
    request.session["seen"] = True
    return JSONResponse(request.session)


def test_usage():
    """The first example of the documentation: a view that loads the session and shows it."""

    async def index_view(request):
        await load_session(request)
        session_data = request.session
        return JSONResponse(session_data)

    session_store = CookieStore(secret_key="TOP SECRET")
    app = Starlette(
        middleware=[Middleware(SessionMiddleware, store=session_store, lifetime=3600 * 24 * 14)],
        routes=[Route("/", index_view)],
    )
    assert TestClient(app).get("/").json() == {}


def test_short_key_warns_and_works():
    """The documented key is short: a warning says so, and it signs as it always did, blank included."""
    with pytest.warns(UserWarning, match="fewer than 32 characters"):
        CookieStore(secret_key="TOP SECRET")


def test_cookie_security():
    """Cookies over plain HTTP that live for 14 days."""
    session_store = CookieStore(secret_key="TOP SECRET")
    middleware = [
        Middleware(SessionMiddleware, store=session_store, cookie_https_only=False, lifetime=3600 * 24 * 14),
    ]
    header = visit(middleware, fill).get("/fill").headers["set-cookie"]
    assert "secure" not in header
    assert int(re.search(r"max-age=(\d+)", header)[1]) in range(1209500, 1209601)


def test_loading_session():
    """Loading makes the session writable; without it SessionNotLoaded is raised."""

    async def loads(request):
        await load_session(request)
        request.session["key"] = "value"
        return Response()

    async def does_not_load(request):
        request.session["key"] = "value"

    browser = visit([Middleware(SessionMiddleware, store=InMemoryStore())], loads, does_not_load)
    assert browser.get("/loads").status_code == 200
    with pytest.raises(SessionNotLoaded):
        browser.get("/does_not_load")


@pytest.mark.parametrize(
    ("options", "path", "loaded"),
    [
        ({}, "/anything", True),
        ({"paths": ["/admin", "/app"]}, "/admin/users", True),
        ({"paths": ["/admin", "/app"]}, "/application", True),
        ({"paths": ["/admin", "/app"]}, "/public/app", False),
        ({"paths": [re.compile("/admin*")]}, "/admin", True),
        ({"paths": [re.compile("/admin*")]}, "/public", False),
    ],
    ids=str,
)
def test_session_autoload(options, path, loaded):
    """Autoloading always, for path prefixes, and for regular expressions."""
    session_store = CookieStore(secret_key="TOP SECRET")
    middleware = [
        Middleware(SessionMiddleware, store=session_store),
        Middleware(SessionAutoloadMiddleware, **options),
    ]
    browser = TestClient(Starlette(middleware=middleware, routes=[Route("/{path:path}", autoloaded)]))
    if loaded:
        assert browser.get(path).json() == {"seen": True}
    else:
        with pytest.raises(SessionNotLoaded):
            browser.get(path)


def test_rolling_sessions():
    """Five minutes of inactivity end the session; every response that loaded it begins them anew."""
    middleware = [
        Middleware(SessionMiddleware, lifetime=300, rolling=True),
    ]
    browser = visit(middleware, fill, look)
    assert "max-age=300" in browser.get("/fill").headers["set-cookie"]
    assert "max-age=300" in browser.get("/look").headers["set-cookie"]


def test_cookie_path():
    """The cookie is bound to a part of the site: the session is unavailable elsewhere."""
    middleware = [
        Middleware(SessionMiddleware, cookie_path="/admin"),
    ]
    app = Starlette(
        middleware=middleware,
        routes=[Route("/admin/fill", fill), Route("/admin/look", look), Route("/look", look)],
    )
    browser = TestClient(app, base_url="https://site.example")
    browser.get("/admin/fill")
    assert browser.get("/admin/look").json() == {"key": "value"}
    assert browser.get("/look").json() == {}


def test_cookie_domain():
    """The cookie is for a domain and its subdomains."""
    middleware = [
        Middleware(SessionMiddleware, cookie_domain="example.com"),
    ]
    browser = visit(middleware, fill, look)
    browser.base_url = "https://example.com"
    assert "; domain=example.com;" in browser.get("/fill").headers["set-cookie"]
    browser.base_url = "https://app.example.com"
    assert browser.get("/look").json() == {"key": "value"}


def test_session_only_cookies():
    """A lifetime of 0 leaves the end to the browser."""
    middleware = [
        Middleware(SessionMiddleware, lifetime=0),
    ]
    assert "max-age" not in visit(middleware, fill).get("/fill").headers["set-cookie"]


@pytest.mark.anyio
async def test_redis(redis_url):
    """A store on a client that the application closes."""
    client = Redis.from_url(redis_url)
    store = RedisStore(connection=client)
    await store.write("some-id", b"data", lifetime=60, ttl=60)
    assert await store.read("some-id", lifetime=60) == b"data"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # redis-py would rather have aclose()
        await client.close()


@pytest.mark.anyio
@pytest.mark.filterwarnings("ignore:RedisStore.url=:DeprecationWarning")
async def test_redis_key_prefix(redis_url, redis_client):
    """The prefix of the keys is text or a callable."""
    store = RedisStore(url=redis_url, prefix="my_sessions")
    await store.write("1", b"data", lifetime=60, ttl=60)
    await store.aclose()

    def make_prefix(key: str) -> str:
        return "my_sessions_" + key

    store = RedisStore(url=redis_url, prefix=make_prefix)
    await store.write("2", b"data", lifetime=60, ttl=60)
    await store.aclose()
    assert sorted(await redis_client.keys()) == [b"my_sessions1", b"my_sessions_2"]


@pytest.mark.anyio
@pytest.mark.filterwarnings("ignore:RedisStore.url=:DeprecationWarning")
async def test_key_expiration(redis_url, redis_client):
    """Records without a fixed end are kept for gc_ttl seconds."""
    store = RedisStore(url=redis_url, gc_ttl=3600)  # max 1 hour
    await store.write("1", b"data", lifetime=0, ttl=0)
    await store.aclose()
    assert 3500 <= await redis_client.ttl("starsessions.1") <= 3600


def test_custom_store():
    """A store of one's own, with an `exists` that nothing calls and `{}` for what is not there."""

    class InMemoryStore(SessionStore):
        def __init__(self):
            self._storage = {}

        async def read(self, session_id: str, lifetime: int) -> bytes:
            """Read session data from a data source using session_id."""
            return self._storage.get(session_id, {})

        async def write(self, session_id: str, data: bytes, lifetime: int, ttl: int) -> str:
            """Write session data into the data source and return session ID."""
            self._storage[session_id] = data
            return session_id

        async def remove(self, session_id: str):
            """Remove session data."""
            del self._storage[session_id]

        async def exists(self, session_id: str) -> bool:
            return session_id in self._storage

    async def end(request):
        await load_session(request)
        request.session.clear()
        return Response()

    store = InMemoryStore()
    browser = visit([Middleware(SessionMiddleware, store=store, lifetime=60)], fill, look, end)
    assert browser.get("/look").json() == {}
    browser.get("/fill")
    assert browser.get("/look").json() == {"key": "value"}
    browser.get("/end")
    assert store._storage == {}
    assert browser.get("/look", headers={"cookie": "session=unknown-id"}).json() == {}


def test_serializers():
    """A serializer of one's own."""

    class MySerializer(Serializer):
        def serialize(self, data: typing.Any) -> bytes:
            return json.dumps(data).encode("utf-8")

        def deserialize(self, data: bytes) -> dict[str, typing.Any]:
            return json.loads(data)

    middleware = [
        Middleware(SessionMiddleware, serializer=MySerializer()),
    ]
    browser = visit(middleware, fill, look)
    browser.get("/fill")
    assert browser.get("/look").json() == {"key": "value"}


def test_session_termination():
    """An emptied session is removed together with its cookie."""

    async def end(request):
        await load_session(request)
        request.session.clear()
        return Response()

    store = InMemoryStore()
    browser = visit([Middleware(SessionMiddleware, store=store)], fill, end)
    browser.get("/fill")
    assert browser.get("/end").headers["set-cookie"].startswith("session=''")
    assert not browser.cookies
    assert not store.data


def test_regenerating_session_id():
    """The login view, a plain function that does not load the session, changes the id."""

    def login(request):
        regenerate_session_id(request)
        return Response("successfully signed in")

    browser = visit([Middleware(SessionMiddleware, store=InMemoryStore())], fill, look, login)
    browser.get("/fill")
    before = browser.cookies["session"]
    assert browser.get("/login").text == "successfully signed in"
    assert browser.cookies["session"] != before
    assert browser.get("/look").json() == {"key": "value"}
