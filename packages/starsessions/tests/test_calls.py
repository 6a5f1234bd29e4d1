"""What a request costs that does not use its session, in Python calls."""

import sys

import pytest

from starsessions import InMemoryStore, SessionMiddleware

pytestmark = pytest.mark.anyio

SCOPE = {"type": "http", "path": "/", "query_string": b"", "method": "GET"}


async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def send(message):
    pass


async def calls(application):
    """Return the functions that one request to `application` calls."""
    scope = {**SCOPE, "headers": [(b"host", b"site.example"), (b"cookie", b"session=" + b"0" * 32)]}
    names = []

    def note(frame, event, arg):
        if event == "call":
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
