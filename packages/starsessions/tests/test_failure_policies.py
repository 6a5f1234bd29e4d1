"""What visitors get when the store fails, by the policy of the middleware."""

import json
import logging

import pytest
from starlette.responses import Response, StreamingResponse

from starsessions import SessionAutoloadMiddleware, SessionMiddleware, regenerate_session_id
from starsessions.exceptions import SessionStoreUnavailable

pytestmark = pytest.mark.anyio

COOKIE = {"cookie": "session=" + "0" * 32}


async def test_the_stores_own_exception_is_raised(make_site, failing_store):
    """By default the store's exception is passed on as it is."""
    failing_store.failure = OSError("out of order")
    async with make_site(failing_store).visitor() as visitor:
        with pytest.raises(OSError, match="out of order"):
            await visitor.get("/show", headers=COOKIE)


@pytest.mark.parametrize("when", ["load", "save"])
async def test_unavailable(make_site, when, caplog, failing_store):
    """With "unavailable" the visitor gets 503 and Retry-After, no cookie, and no other answer."""
    async with make_site(failing_store, lifetime=60, on_store_failure="unavailable").visitor() as visitor:
        if when == "load":
            failing_store.failure = OSError()
            answer = await visitor.get("/show", headers=COOKIE)
        else:
            failing_store.failure = OSError()
            answer = await visitor.get("/update?a=1")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert "set-cookie" not in answer.headers


async def test_unavailable_after_the_response_began(make_site, failing_store):
    """A stream whose explicit save fails is not answered a second time: the exception ends it."""
    site = make_site(failing_store, lifetime=60, on_store_failure="unavailable")

    @site.view
    async def stream(request):
        async def body():
            yield b"begun"
            failing_store.failure = OSError()
            request.session["late"] = 1
            await request.session.save()

        request.session["early"] = 1
        return StreamingResponse(body())

    async with site.visitor() as visitor:
        # Older versions of Starlette raise what a stream raised inside of a group.
        with pytest.raises((SessionStoreUnavailable, ExceptionGroup)):
            await visitor.get("/stream")


@pytest.mark.parametrize(
    ("extensions", "expected"),
    [({}, {"type": "websocket.close", "code": 1013}), ({"websocket.http.response": {}}, {"status": 503})],
    ids=["closed", "refused"],
)
async def test_unavailable_websockets(extensions, expected, failing_store):
    """A WebSocket without a session is refused with 503, or closed with "try again later"."""
    sent = []
    failing_store.failure = OSError()

    async def send(message):
        sent.append(message)

    stack = SessionMiddleware(SessionAutoloadMiddleware(None), store=failing_store, on_store_failure="unavailable")
    headers = [(b"cookie", COOKIE["cookie"].encode())]
    scope = {"type": "websocket", "path": "/", "headers": headers, "extensions": extensions}
    await stack(scope, None, send)
    assert expected.items() <= sent[0].items()


@pytest.mark.parametrize("when", ["load", "save"])
async def test_anonymous(make_site, when, caplog, failing_store):
    """With "anonymous" the request goes on with a session that is not stored; the browser keeps its cookie."""
    async with make_site(failing_store, lifetime=60, on_store_failure="anonymous").visitor() as visitor:
        await visitor.get("/update?name=Ada")
        session_id = visitor.cookies["session"]
        if when == "load":
            failing_store.failure = OSError()
        else:
            failing_store.write = None  # calling it fails
        with caplog.at_level(logging.ERROR, logger="starsessions"):
            answer = await visitor.get("/update?a=1")
        assert answer.json() == ({"a": "1"} if when == "load" else {"name": "Ada", "a": "1"})
        assert "set-cookie" not in answer.headers
        assert [record.event for record in caplog.records] == ["session.store_failed"]
        assert session_id not in caplog.text
        failing_store.failure = None
        assert (await visitor.get("/show")).json() == {"name": "Ada"}


async def test_anonymous_logout(make_site, failing_store):
    """A logout that the store does not learn of still takes the cookie away."""
    async with make_site(failing_store, on_store_failure="anonymous").visitor() as visitor:
        await visitor.get("/update?a=1")
        failing_store.failure = OSError()
        assert (await visitor.get("/clear")).headers["set-cookie"].startswith("session='';")


async def test_anonymous_keeps_the_id_the_browser_has(make_site, failing_store):
    """A new id that could not be stored is not sent, and the session of the old one goes on when the store is back."""
    site = make_site(failing_store, lifetime=60, rolling=True, on_store_failure="anonymous")

    @site.view
    async def renew(request):
        regenerate_session_id(request)
        failing_store.failure = OSError()
        return Response()

    async with site.visitor() as visitor:
        await visitor.get("/update?a=1")
        first = visitor.cookies["session"]
        await visitor.get("/renew")
        assert visitor.cookies["session"] == first
        failing_store.failure = None
        assert (await visitor.get("/show")).json() == {"a": "1"}


async def test_what_did_not_change_needs_no_store(make_site, caplog, failing_store):
    """A rolling session that cannot be renewed spoils no answer: the log says so."""
    site = make_site(failing_store, lifetime=60, rolling=True)

    @site.view
    async def show(request):
        failing_store.failure = OSError()
        return Response(json.dumps(request.session))

    async with site.visitor() as visitor:
        await visitor.get("/update?a=1")
        assert (await visitor.get("/show")).json() == {"a": "1"}
    assert [record.event for record in caplog.records] == ["session.store_failed"]


async def test_an_expired_session_that_cannot_be_removed(make_site, clock, caplog, failing_store):
    """An expired session is refused although the store fails to remove it."""
    site = make_site(failing_store, lifetime=60)

    async def fail(session_id):
        raise OSError

    async with site.visitor() as visitor:
        await visitor.get("/update?a=1")
        cookie = visitor.cookies["session"]
        failing_store.remove = fail
        failing_store.records.data[cookie].expires *= 2
        clock.advance(61)
        assert (await visitor.get("/show", headers={"cookie": f"session={cookie}"})).json() == {}
    assert [record.event for record in caplog.records if record.levelno == logging.ERROR] == ["session.store_failed"]
