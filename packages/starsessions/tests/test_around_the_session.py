"""Other middleware around and inside, clients that go away, and servers that are odd but allowed."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from starsessions import InMemoryStore, SessionAutoloadMiddleware, SessionError, SessionMiddleware

pytestmark = pytest.mark.anyio


class AfterTheView(BaseHTTPMiddleware):
    """Changes the session when the view has made its response, and copies everything on the way."""

    async def dispatch(self, request, call_next):
        response = await call_next(request)
        request.session["after"] = True
        return response


async def test_middleware_inside_changes_the_session_last(make_site):
    """What a middleware does when the view has returned is stored, as the headers have not left yet."""
    site = make_site(InMemoryStore(), inside=[Middleware(AfterTheView)])
    async with site.visitor() as visitor:
        await visitor.get("/update?a=1")
        assert (await visitor.get("/show")).json() == {"a": "1", "after": True}


async def test_middleware_outside_reads_the_session():
    """A middleware around the session sees what the view has made of it."""
    seen = []

    class Outside(BaseHTTPMiddleware):
        async def dispatch(self, request, call_next):
            response = await call_next(request)
            seen.append(dict(request.session))
            return response

    async def view(request):
        request.session["a"] = 1
        return Response()

    stack = [Outside, SessionMiddleware, SessionAutoloadMiddleware]
    options = [{}, {"store": InMemoryStore()}, {}]
    middleware = [Middleware(one, **given) for one, given in zip(stack, options, strict=True)]
    app = Starlette(routes=[Route("/", view)], middleware=middleware)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://site.example") as visitor:
        await visitor.get("/")
    assert seen == [{"a": 1}]


async def test_a_mounted_application_with_a_session_of_its_own():
    """Two applications, one mounted in the other, each keep their session under a cookie name of its own."""

    async def view(request):
        request.session["visits"] = request.session.get("visits", 0) + 1
        return JSONResponse(request.session["visits"])

    def middleware(**options):
        return [Middleware(SessionMiddleware, store=InMemoryStore(), **options), Middleware(SessionAutoloadMiddleware)]

    inner = Starlette(routes=[Route("/", view)], middleware=middleware(cookie_name="inner"))
    app = Starlette(routes=[Route("/", view), Mount("/inner", inner)], middleware=middleware())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://site.example") as visitor:
        counts = [(await visitor.get(path)).json() for path in ("/", "/inner/", "/inner/", "/", "/inner/")]
        assert counts == [1, 1, 2, 2, 3]
        paths = {cookie.name: cookie.path for cookie in visitor.cookies.jar}
    assert paths == {"session": "/", "inner": "/inner"}


async def test_sessions_in_threads(make_site):
    """Views that run in threads change each their own visitor's session, however many run at once."""
    site = make_site(InMemoryStore())

    def work(session, number):
        session["number"] = number
        session.setdefault("list", []).append(number)

    @site.view
    async def thread(request):
        await run_in_threadpool(work, request.session, int(request.query_params["n"]))
        return Response()

    async def one(number):
        async with site.visitor() as visitor:
            for _ in range(2):
                await visitor.get("/thread", params={"n": number})
            return (await visitor.get("/show")).json()

    found = await asyncio.gather(*(one(number) for number in range(20)))
    assert found == [{"number": number, "list": [number, number]} for number in range(20)]


def scope_of(cookie=None):
    headers = [] if cookie is None else [(b"cookie", cookie)]
    return {"type": "http", "path": "/", "headers": headers, "query_string": b"", "method": "GET"}


def stack_of(app, store):
    return SessionMiddleware(SessionAutoloadMiddleware(app), store=store)


async def test_a_client_that_goes_away_before_the_answer():
    """A request that is cancelled before its response starts stores nothing."""
    store, begun = InMemoryStore(), asyncio.Event()

    async def app(scope, receive, send):
        scope["session"]["a"] = 1
        begun.set()
        await asyncio.Event().wait()

    request = asyncio.ensure_future(stack_of(app, store)(scope_of(), None, None))
    await begun.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert store.data == {}


async def test_a_client_that_goes_away_during_the_answer(caplog):
    """What was saved while a response streams stays, though the client goes away; the server's error is passed on."""
    store, sent = InMemoryStore(), []

    async def app(scope, receive, send):
        scope["session"]["a"] = 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        scope["session"]["b"] = 2
        await scope["session"].save()
        await send({"type": "http.response.body", "body": b"x", "more_body": True})

    async def send(message):
        if message["type"] == "http.response.body":
            raise OSError("the client is gone")
        sent.append(message)

    with pytest.raises(OSError, match="the client is gone"):
        await stack_of(app, store)(scope_of(), None, send)
    (record,) = store.data.values()
    assert b'"a": 1, "b": 2' in record.value
    assert caplog.records == []


@pytest.mark.parametrize(
    "headers",
    [((b"x", b"1") for _ in range(1)), ((b"x", b"1"),), [[b"x", b"1"]], [(b"x", b"1")]],
    ids=["generator", "tuple", "lists", "usual"],
)
async def test_headers_in_any_form(headers):
    """An application may give its headers as any iterable of pairs."""
    sent = []

    async def app(scope, receive, send):
        scope["session"]["a"] = 1
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def send(message):
        sent.append(message)

    await stack_of(app, InMemoryStore())(scope_of(), None, send)
    assert [bytes(name) for name, _ in sent[0]["headers"]] == [b"x", b"set-cookie", b"vary"]


@pytest.mark.parametrize("cookie", [b"", b"session", b"session=", b";;=;", b"=session", b"session=;session"])
async def test_cookies_without_a_value(cookie):
    """A cookie that says nothing is no session, and no error."""
    sent = []

    async def app(scope, receive, send):
        scope["session"]["a"] = 1
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message):
        sent.append(message)

    await stack_of(app, InMemoryStore())(scope_of(cookie), None, send)
    assert sent[0]["headers"][0][1].startswith(b"session=")


def forgets_the_session(scope):
    del scope["session"]


@pytest.mark.parametrize(
    "misplace",
    [forgets_the_session, *(lambda scope, value=value: scope.update(session=value) for value in (None, [], "x", 5))],
)
async def test_something_else_in_the_place_of_the_session(misplace):
    """An application that puts anything but a dictionary into the scope is told what to do, and nothing is sent."""
    sent = []

    async def app(scope, receive, send):
        misplace(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message):
        sent.append(message)

    with pytest.raises(SessionError, match=r"scope\['session'\] holds a \w+ .*request\.session\.clear\(\)"):
        await stack_of(app, InMemoryStore())(scope_of(), None, send)
    assert sent == []


async def test_something_else_in_the_place_of_the_session_after_the_response(caplog):
    """What an application puts there when the response has left is no error, but a lost change."""

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        scope["session"] = None

    async def send(message):
        pass

    await stack_of(app, InMemoryStore())(scope_of(), None, send)
    assert [record.event for record in caplog.records] == ["session.change_lost"]
