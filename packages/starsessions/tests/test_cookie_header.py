"""The Set-Cookie header: its exact form, and the settings that are refused when the application starts."""

import datetime as dt
import re

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Mount, Route

from starsessions import (
    CookieStore,
    ImproperlyConfigured,
    InMemoryStore,
    SessionAutoloadMiddleware,
    SessionError,
    SessionMiddleware,
    SessionStore,
    get_session_handler,
)
from starsessions.exceptions import InvalidCookieSettings, SessionTooLarge

pytestmark = pytest.mark.anyio

ID = "[0-9a-f]{32}"


def middleware(**options):
    return SessionMiddleware(app=lambda *_: None, store=InMemoryStore(), **options)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "session=ID; path=/; httponly; samesite=lax; secure"),
        ({"lifetime": 60, "rolling": True}, "session=ID; path=/; max-age=60; httponly; samesite=lax; secure"),
        ({"cookie_domain": "", "cookie_path": ""}, "session=ID; path=/; httponly; samesite=lax; secure"),
        ({"cookie_https_only": False}, "session=ID; path=/; httponly; samesite=lax"),
        ({"cookie_same_site": "strict"}, "session=ID; path=/; httponly; samesite=strict; secure"),
        ({"cookie_name": "owui-session"}, "owui-session=ID; path=/; httponly; samesite=lax; secure"),
        ({"cookie_name": "__Host-s"}, "__Host-s=ID; path=/; httponly; samesite=lax; secure"),
        (
            {
                "cookie_domain": "example.com",
                "cookie_path": "/admin",
                "lifetime": dt.timedelta(hours=1),
                "rolling": True,
            },
            "session=ID; path=/admin; max-age=3600; domain=example.com; httponly; samesite=lax; secure",
        ),
    ],
)
async def test_setting(make_site, options, expected):
    """A stored session sets a cookie with exactly these attributes in this order."""
    async with make_site(InMemoryStore(), **options).visitor() as visitor:
        header = (await visitor.get("/update?a=1")).headers["set-cookie"]
    assert re.fullmatch(re.escape(expected).replace("ID", ID), header)


async def test_clearing(make_site):
    """An emptied session clears the cookie with exactly these attributes in this order."""
    site = make_site(InMemoryStore(), cookie_domain="site.example", cookie_path="/")
    async with site.visitor() as visitor:
        await visitor.get("/update?a=1")
        header = (await visitor.get("/clear")).headers["set-cookie"]
    assert header == (
        "session=''; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT; httponly; samesite=lax; secure; domain=site.example"
    )


async def test_clearing_outside_of_the_cookie_path(make_site):
    """A session that arrives on another path than the cookie's is ended there, too."""
    site = make_site(store := InMemoryStore(), cookie_path="/admin")
    async with site.visitor() as visitor:
        session_id = (await visitor.get("/update?a=1")).headers["set-cookie"][8:40]
        answer = await visitor.get("/clear", headers={"cookie": f"session={session_id}"})
        assert answer.headers["set-cookie"].startswith("session=''; path=/admin;")
    assert not store.data


@pytest.mark.parametrize(
    ("root", "url", "path"),
    [
        ("", "/inner/view", "/"),
        ("/sub", "/sub/inner/view", "/sub"),
        ("/a;b\r\nc", "/a;b%0D%0Ac/inner/view", "/a%3Bb%0D%0Ac"),
    ],
)
async def test_applications_below_a_path(root, url, path):
    """The cookie is for the whole application: a Mount inside of it does not narrow its path, a root path does."""

    async def view(request):
        request.session["a"] = 1
        return Response()

    app = Starlette(
        routes=[Mount("/inner", routes=[Route("/view", view)])],
        middleware=[Middleware(SessionMiddleware, store=InMemoryStore()), Middleware(SessionAutoloadMiddleware)],
    )
    transport = httpx.ASGITransport(app, root_path=root)
    async with httpx.AsyncClient(transport=transport, base_url="https://site.example") as visitor:
        assert f"; path={path}; " in (await visitor.get(url)).headers["set-cookie"]


async def test_a_host_cookie_below_a_path():
    """A `__Host-` cookie is for the whole host wherever the application is, as browsers accept no other."""

    async def view(request):
        request.session["a"] = 1
        return Response()

    stack = [Middleware(SessionMiddleware, store=InMemoryStore(), cookie_name="__Host-s")]
    app = Starlette(routes=[Route("/", view)], middleware=[*stack, Middleware(SessionAutoloadMiddleware)])
    transport = httpx.ASGITransport(app, root_path="/sub")
    async with httpx.AsyncClient(transport=transport, base_url="https://site.example") as visitor:
        assert "; path=/; " in (await visitor.get("/sub/")).headers["set-cookie"]


@pytest.mark.parametrize(
    "options",
    [
        {"cookie_name": ""},
        {"cookie_name": "a b"},
        {"cookie_name": "a=b"},
        {"cookie_name": "session\n"},
        {"cookie_name": "sitzung-ä"},
        {"cookie_same_site": "none", "cookie_https_only": False},
        {"cookie_same_site": "sometimes"},
        {"cookie_same_site": "lax; domain=evil.example"},
        {"cookie_domain": "example.com; secure"},
        {"cookie_domain": "https://example.com"},
        {"cookie_domain": "example.com\r\nX: 1"},
        {"cookie_path": "admin"},
        {"cookie_path": "/a;b"},
        {"cookie_path": "/a\r\nb"},
        {"cookie_path": "/" + "a" * 1024},
        {"cookie_name": "__Host-s", "cookie_domain": "example.com"},
        {"cookie_name": "__Host-s", "cookie_path": "/admin"},
        {"cookie_name": "__host-s", "cookie_https_only": False},
        {"cookie_name": "__Secure-s", "cookie_https_only": False},
    ],
    ids=str,
)
def test_refused_settings(options):
    """Settings that browsers or HTTP would refuse are errors when the middleware is made."""
    with pytest.raises(InvalidCookieSettings, match="cookie"):
        middleware(**options)


def test_cookie_name_error_is_a_value_error():
    """A bad cookie name is a ValueError that says so."""
    with pytest.raises(ValueError, match="Invalid cookie_name"):
        middleware(cookie_name="a b")


@pytest.mark.parametrize(
    ("given", "seconds"), [(0, 0), (60, 60), ("60", 60), (dt.timedelta(minutes=2), 120), (59.9, 59)], ids=str
)
def test_lifetimes(given, seconds):
    """A lifetime is a number of seconds or a timedelta; the middleware holds whole seconds."""
    assert middleware(lifetime=given).lifetime == seconds


@pytest.mark.parametrize(
    "given", [-1, dt.timedelta(seconds=-1), dt.timedelta(milliseconds=500), 0.5, "soon", None], ids=str
)
def test_refused_lifetimes(given):
    """A negative lifetime, less than a second and what is no number are refused."""
    for kind in (ImproperlyConfigured, ValueError, AssertionError):
        with pytest.raises(kind, match="lifetime"):
            middleware(lifetime=given)


def test_attributes():
    """The middleware's settings can be read from it."""
    made = middleware(lifetime=60, rolling=True, cookie_domain="example.com", cookie_path="/a")
    assert (made.lifetime, made.rolling, made.cookie_name) == (60, True, "session")
    assert (made.cookie_domain, made.cookie_path) == ("example.com", "/a")
    assert made.security_flags == "httponly; samesite=lax; secure"


async def test_no_store_warns(make_site):
    """Without a store, sessions live in this process and a warning says so."""
    site = make_site(None)
    with pytest.warns(UserWarning, match="memory of this process"):
        async with site.visitor() as visitor:
            await visitor.get("/update?a=1")
            assert (await visitor.get("/show")).json() == {"a": "1"}


@pytest.mark.parametrize(
    ("present", "expected"), [(None, ["Cookie"]), ("Accept", ["Accept, Cookie"]), ("*", ["*"]), ("cookie", ["cookie"])]
)
async def test_vary(make_site, present, expected):
    """`Vary: Cookie` joins what the application says already."""
    site = make_site(InMemoryStore())

    @site.view
    async def vary(request):
        return Response(headers={} if present is None else {"vary": present})

    async with site.visitor() as visitor:
        assert (await visitor.get("/vary")).headers.get_list("vary") == expected


async def test_own_cookies_come_first(make_site):
    """The session's header is appended after the cookies that the application sets."""
    site = make_site(InMemoryStore())

    @site.view
    async def both(request):
        request.session["a"] = 1
        answer = Response()
        answer.set_cookie("mine", "1")
        return answer

    async with site.visitor() as visitor:
        headers = (await visitor.get("/both")).headers.get_list("set-cookie")
    assert [header.split("=")[0] for header in headers] == ["mine", "session"]


@pytest.mark.parametrize("fits", [True, False])
async def test_cookie_size_counts_name_and_value(make_site, fits):
    """A cookie whose name and value together exceed the limit is an error, one that just fits is sent."""
    key = "k" * 32
    probe = len(await CookieStore(key).write("", b"x" * 300, 0, 0))
    limit = probe + len("session") - (0 if fits else 1)

    class Fixed(CookieStore):
        async def write(self, session_id, data, lifetime, ttl):
            return await super().write(session_id, b"x" * 300, lifetime, ttl)

    site = make_site(Fixed(key, max_size=limit))
    async with site.visitor() as visitor:
        if fits:
            assert "set-cookie" in (await visitor.get("/update?a=1")).headers
        else:
            with pytest.raises(SessionTooLarge, match=f"{limit} are allowed"):
                await visitor.get("/update?a=1")


async def test_large_sessions_are_refused(make_site):
    """More than a cookie can hold raises a ValueError that says what to do."""
    site = make_site(CookieStore("k" * 32))
    async with site.visitor() as visitor:
        with pytest.raises(ValueError, match=r"too large.*server-side store"):
            await visitor.get("/update?a=" + "x" * 5000)


@pytest.mark.parametrize("bad", ["a b", "a;b", "a\r\nSet-Cookie: evil=1", "a,b", 'a"b', "ä"])
async def test_ids_that_cannot_stand_in_a_cookie(make_site, bad):
    """An id that would break the header is never sent, whether a store or the application chose it."""

    class Choosing(SessionStore):
        async def read(self, session_id, lifetime):
            return b""

        async def write(self, session_id, data, lifetime, ttl):
            return bad

        async def remove(self, session_id):
            pass

    site = make_site(Choosing())

    @site.view
    async def assign(request):
        get_session_handler(request).session_id = bad

    async with site.visitor() as visitor:
        with pytest.raises(SessionError, match="cannot stand in a cookie"):
            await visitor.get("/update?a=1")
        with pytest.raises(ValueError, match="session id"):
            await visitor.get("/assign")


async def test_response_without_headers_and_a_second_start():
    """A response start without headers is legal ASGI, and only the first one stores the session."""
    sent = []

    async def app(scope, receive, send):
        scope["session"]["a"] = 1
        await send({"type": "http.response.start", "status": 200})
        scope["session"]["a"] = 2
        await send({"type": "http.response.start", "status": 500})

    async def send(message):
        sent.append(message)

    stack = SessionMiddleware(SessionAutoloadMiddleware(app), store=InMemoryStore())
    await stack({"type": "http", "path": "/", "headers": [], "query_string": b"", "method": "GET"}, None, send)
    assert [name for name, _ in sent[0]["headers"]] == [b"set-cookie", b"vary"]
    assert "headers" not in sent[1]


async def test_other_scopes_pass_through():
    """Lifespan and unknown scopes reach the application as they are."""
    seen = []

    async def app(scope, receive, send):
        seen.append((scope, receive, send))

    scope = {"type": "lifespan"}
    await SessionMiddleware(SessionAutoloadMiddleware(app), store=InMemoryStore())(scope, "receive", "send")
    assert seen == [({"type": "lifespan"}, "receive", "send")]
