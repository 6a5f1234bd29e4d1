"""What a request costs that does not use its session, or only reads it, in Python calls."""

import sys

import pytest
from starlette.requests import Request

from starsessions import InMemoryStore, SessionMiddleware, load_session

pytestmark = pytest.mark.anyio

SCOPE = {"type": "http", "path": "/", "query_string": b"", "method": "GET"}


async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def send(message):
    pass


async def calls(application):
    """Return the functions that one request to `application` calls, of this package and of this file."""
    scope = {**SCOPE, "headers": [(b"host", b"site.example"), (b"cookie", b"session=" + b"0" * 32)]}
    names = []

    def note(frame, event, arg):
        # Other tests' libraries look in while garbage is collected.
        if event == "call" and frame.f_globals.get("__name__", "").startswith(("starsessions", __name__)):
            names.append(frame.f_code.co_qualname)

    request = application(scope, None, send)
    before = sys.getprofile()
    sys.setprofile(note)
    try:
        await request
    finally:
        sys.setprofile(before)
    return names


async def test_unused_session_costs_ten_calls():
    """A request that does not use its session makes at most ten Python calls more than without sessions."""
    middleware = SessionMiddleware(app, store=InMemoryStore())
    await calls(middleware)
    without = await calls(app)
    assert without == ["app", "send", "send"]
    with_sessions = await calls(middleware)
    assert len(with_sessions) - len(without) <= 10, with_sessions


async def test_reading_the_session_costs_forty_five_calls():
    """A request that loads its session and leaves it as it is makes at most 45 calls of this package's functions."""

    async def reading(scope, receive, send):
        await load_session(Request(scope))
        scope["session"]["user"]
        await app(scope, receive, send)

    store = InMemoryStore()
    await store.write(
        "0" * 32, b'{"user": 1, "__metadata__": {"created": 1.5, "last_access": 1.5, "lifetime": 0}}', 0, 0
    )
    middleware = SessionMiddleware(reading, store=store)
    await calls(middleware)
    with_session = await calls(middleware)
    assert len(with_session) - len(["reading", "app", "send", "send"]) <= 45, with_session
