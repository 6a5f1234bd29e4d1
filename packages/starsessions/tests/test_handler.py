"""The handler as other code builds and drives it."""

import asyncio
import time

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from starsessions import (
    ImproperlyConfigured,
    InMemoryStore,
    JsonSerializer,
    SessionAutoloadMiddleware,
    SessionMiddleware,
    SessionNotLoaded,
    get_session_handler,
    get_session_remaining_seconds,
    load_session,
)
from starsessions.encryptors import FernetEncryptor, NoopEncryptor
from starsessions.middleware import LoadGuard
from starsessions.session import SessionHandler

pytestmark = pytest.mark.anyio


def connection():
    return HTTPConnection({"type": "http", "path": "/", "headers": [], "session": LoadGuard()})


def test_five_and_six_arguments():
    """The handler takes five arguments, or six with an encryptor before the lifetime."""
    store, serializer = InMemoryStore(), JsonSerializer()
    five = SessionHandler(connection(), "some-id", store, serializer, 60)
    assert (five.session_id, five.lifetime, type(five.encryptor)) == ("some-id", 60, NoopEncryptor)
    encryptor = FernetEncryptor(b"x" * 43 + b"=")
    six = SessionHandler(connection(), None, store, serializer, encryptor, 60)
    assert (six.session_id, six.lifetime, six.encryptor) == (None, 60, encryptor)
    named = SessionHandler(connection(), None, store=store, serializer=serializer, lifetime=60)
    assert named.lifetime == 60


async def test_attributes():
    """The handler shows what it works with and what it found."""
    conn = connection()
    handler = SessionHandler(conn, None, InMemoryStore(), JsonSerializer(), 60)
    assert handler.connection is conn
    assert (handler.is_loaded, handler.metadata) == (False, None)
    with pytest.raises(SessionNotLoaded):
        _ = handler.is_empty
    await handler.load()
    assert (handler.is_loaded, handler.is_empty, handler.initially_empty) == (True, True, True)
    conn.session["a"] = 1
    session_id = await handler.save(30)
    assert handler.session_id == session_id
    assert (handler.is_empty, handler.initially_empty) == (False, True)
    assert handler.metadata["lifetime"] == 60


class PerRequestCookie(SessionMiddleware):
    """A middleware as other code derives it: `__call__` anew, the handler with five arguments, cookies by hand."""

    async def __call__(self, scope, receive, send):
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        conn = HTTPConnection(scope)
        name = conn.headers.get("x-cookie-name", self.cookie_name)
        handler = SessionHandler(conn, conn.cookies.get(name), self.store, self.serializer, self.lifetime)
        scope["session"] = LoadGuard()
        scope["session_handler"] = handler

        async def send_wrapper(message):
            if message["type"] == "http.response.start" and handler.is_loaded:
                if handler.is_empty:
                    if not handler.initially_empty:
                        await handler.destroy()
                else:
                    seconds = self.lifetime if self.rolling else get_session_remaining_seconds(conn)
                    session_id = await handler.save(seconds)
                    cookie = f"{name}={session_id}; path=/; max-age={seconds}; {self.security_flags}"
                    message["headers"] = [*message["headers"], (b"set-cookie", cookie.encode())]
            await send(message)

        await self.app(scope, receive, send_wrapper)


async def test_derived_middleware(make_site, clock):
    """Such a middleware works unchanged, and its rolling sessions may live longer than their lifetime."""
    import httpx

    async def count(request):
        await load_session(request)
        request.session["count"] = request.session.get("count", 0) + 1
        return JSONResponse(request.session)

    async def clear(request):
        await load_session(request)
        request.session.clear()
        return Response()

    store = InMemoryStore()
    app = Starlette(
        routes=[Route("/", count), Route("/clear", clear)],
        middleware=[Middleware(PerRequestCookie, store=store, lifetime=60, rolling=True)],
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://site.example") as visitor:
        visitor.headers["x-cookie-name"] = "tenant"
        for expected in (1, 2, 3):
            assert (await visitor.get("/")).json() == {"count": expected}
            clock.advance(40)
        assert len(store.data) == 1
        await visitor.get("/clear")
        assert not store.data


async def test_failed_load_can_be_retried():
    """If the store fails, the session stays unloaded and loading it again works."""

    class Flaky(InMemoryStore):
        failures = 1

        async def read(self, session_id, lifetime):
            if self.failures:
                self.failures -= 1
                raise ConnectionError
            return await super().read(session_id, lifetime)

    store = Flaky()
    await store.write("some-id", b'{"a": 1}', lifetime=60, ttl=60)
    conn = connection()
    handler = SessionHandler(conn, "some-id", store, JsonSerializer(), 60)
    with pytest.raises(ConnectionError):
        await handler.load()
    assert not handler.is_loaded
    await handler.load()
    assert conn.session == {"a": 1}


async def test_stores_that_return_text(make_site):
    """A store of other people's may return text; unchanged sessions are not written there either."""

    class Text(InMemoryStore):
        writes = 0

        async def read(self, session_id, lifetime):
            return (await super().read(session_id, lifetime)).decode()

        async def write(self, session_id, data, lifetime, ttl):
            self.writes += 1
            return await super().write(session_id, data, lifetime, ttl)

    store = Text()
    async with make_site(store, lifetime=60).visitor() as visitor:
        await visitor.get("/update?a=1")
        assert (await visitor.get("/show")).json() == {"a": "1"}
    assert store.writes == 1


async def test_two_tasks_load_at_once():
    """Two tasks of one request that load the session at the same time work on the same data."""
    arrived = asyncio.Barrier(2)

    class Slow(InMemoryStore):
        async def read(self, session_id, lifetime):
            await arrived.wait()
            return await super().read(session_id, lifetime)

    store = Slow()
    await store.write("some-id", b'{"a": 1}', lifetime=60, ttl=60)
    conn = connection()
    handler = SessionHandler(conn, "some-id", store, JsonSerializer(), 60)

    async def change(key):
        await handler.load()
        conn.session[key] = True

    await asyncio.gather(change("x"), change("y"))
    assert conn.session == {"a": 1, "x": True, "y": True}


async def test_destroying_another_session():
    """A handler given an id removes that session without loading it."""
    store = InMemoryStore()
    await store.write("some-id", b'{"a": 1}', lifetime=60, ttl=60)
    handler = SessionHandler(connection(), None, store, JsonSerializer(), 60)
    handler.session_id = "some-id"
    await handler.destroy()
    assert not store.data


async def test_store_error_while_saving(make_site):
    """If storing fails, an error response goes out without a second attempt, and the error is not swallowed."""

    class Failing(InMemoryStore):
        attempts = 0

        async def write(self, session_id, data, lifetime, ttl):
            self.attempts += 1
            raise ConnectionError

    class AnsweringErrors:
        """Turns errors into answers further in than the session's middleware."""

        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            try:
                await self.app(scope, receive, send)
            except ConnectionError:
                await Response(status_code=503)(scope, receive, send)

    store = Failing()
    async with make_site(store, inside=[Middleware(AnsweringErrors)]).visitor() as visitor:
        answer = await visitor.get("/update?a=1")
    assert answer.status_code == 503
    assert "set-cookie" not in answer.headers
    assert store.attempts == 1
    async with make_site(store).visitor() as visitor:
        with pytest.raises(ConnectionError):
            await visitor.get("/update?a=1")


async def test_unchanged_session_needs_no_store(make_site):
    """A store that fails to write spoils no answer whose session did not change."""

    class ReadOnly(InMemoryStore):
        async def write(self, session_id, data, lifetime, ttl):
            raise ConnectionError

    store = ReadOnly()
    metadata = f'{{"lifetime": 60, "created": {time.time()}, "last_access": {time.time()}}}'
    store.data["some-id"] = f'{{"a": 1, "__metadata__": {metadata}}}'.encode()
    async with make_site(store, lifetime=60).visitor() as visitor:
        answer = await visitor.get("/show", headers={"cookie": "session=some-id"})
    assert answer.json() == {"a": 1}


@pytest.mark.parametrize("kind", [ImproperlyConfigured, KeyError])
async def test_missing_middleware(kind):
    """Without SessionMiddleware, or with the two in the wrong order, the error says what to add where."""
    scope = {"type": "http", "path": "/", "headers": [], "query_string": b"", "method": "GET"}
    with pytest.raises(kind) as error:
        get_session_handler(Request(scope))
    assert "add SessionMiddleware to the application, before" in str(error.value)
    wrong_order = SessionAutoloadMiddleware(SessionMiddleware(lambda *_: None, store=InMemoryStore()))
    with pytest.raises(kind):
        await wrong_order(scope, None, None)


def test_public_names():
    """The package's root offers the documented names and the modules offer theirs."""
    import importlib

    modules = {
        "starsessions": "CookieStore ImproperlyConfigured InMemoryStore JsonSerializer Serializer SessionAutoloadMiddleware "
        "SessionError SessionMiddleware SessionNotLoaded SessionStore generate_session_id get_session_handler "
        "get_session_id get_session_metadata get_session_remaining_seconds is_loaded load_session regenerate_session_id",
        "starsessions.middleware": "SessionMiddleware SessionAutoloadMiddleware LoadGuard",
        "starsessions.session": "SessionHandler generate_session_id regenerate_session_id",
        "starsessions.stores": "SessionStore CookieStore InMemoryStore",
        "starsessions.stores.base": "SessionStore",
        "starsessions.stores.cookie": "CookieStore",
        "starsessions.stores.memory": "InMemoryStore Record",
        "starsessions.stores.redis": "RedisStore prefix_factory",
        "starsessions.serializers": "Serializer JsonSerializer",
        "starsessions.exceptions": "SessionError SessionNotLoaded ImproperlyConfigured",
        "starsessions.types": "SessionMetadata",
        "starsessions.encryptors": "Encryptor NoopEncryptor FernetEncryptor AESGCMEncryptor",
    }
    for name, names in modules.items():
        module = importlib.import_module(name)
        assert set(names.split()) <= set(module.__all__)
        assert all(hasattr(module, public) for public in module.__all__)
    assert len(importlib.import_module("starsessions").__all__) == 18
