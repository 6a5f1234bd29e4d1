"""A store that hangs, refuses, or answers nonsense."""

import asyncio
import json
import logging
import time
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis
from starlette.responses import Response, StreamingResponse

from starsessions import (
    InMemoryStore,
    SessionAutoloadMiddleware,
    SessionMiddleware,
    SessionStore,
    regenerate_session_id,
)
from starsessions.exceptions import (
    ImproperlyConfigured,
    SessionError,
    SessionStoreTimeout,
    SessionStoreUnavailable,
    SessionTooLarge,
)
from starsessions.failures import CircuitBreaker, StoreCalls
from starsessions.stores.redis import RedisStore
from starsessions.users import list_sessions, revoke_all_sessions

pytestmark = pytest.mark.anyio

COOKIE = {"cookie": "session=" + "0" * 32}


@asynccontextmanager
async def hung_server():
    """A TCP server that accepts connections and never says a word; yields its port."""
    writers = []

    async def accept(_reader, writer):
        writers.append(writer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()


@asynccontextmanager
async def hung_store():
    async with hung_server() as port:
        client = Redis(port=port)
        yield RedisStore(connection=client)
        await client.aclose()


class Failing(SessionStore):
    """Keeps records until `failure` is set; then it raises that instead."""

    def __init__(self):
        self.records = InMemoryStore()
        self.failure = None
        self.calls = 0

    def _called(self):
        self.calls += 1
        if self.failure is not None:
            raise self.failure

    async def read(self, session_id, lifetime):
        self._called()
        return await self.records.read(session_id, lifetime)

    async def write(self, session_id, data, lifetime, ttl):
        self._called()
        return await self.records.write(session_id, data, lifetime, ttl)

    async def remove(self, session_id):
        self._called()
        await self.records.remove(session_id)


@pytest.mark.parametrize("policy", ["raise", "unavailable", "anonymous"])
async def test_a_server_that_never_answers(make_site, policy):
    """Of 100 requests 99 take no longer than the timeout and 20 ms; all but the first five are answered at once.

    A machine that has other work is late for a plain sleep as well: that is not counted, and the best of five rounds is.
    """
    timeout = 0.1
    async with hung_store() as store:
        for _ in range(5):
            site = make_site(store, lifetime=60, store_timeout=timeout, on_store_failure=policy)
            took = await durations(site, timeout)
            if took[98] <= timeout + 0.02 and took[90] < timeout / 2:
                return
    pytest.fail(f"the slowest of 100 requests took {took[90:]} seconds")


async def durations(site, deadline):
    """Return how long 100 requests took, the shortest first."""
    took = []

    async def late():
        begun = time.perf_counter()
        await asyncio.sleep(deadline)
        return time.perf_counter() - begun - deadline

    async with site.visitor(raise_app_exceptions=False) as visitor:
        site.app.build_middleware_stack()
        for _ in range(100):
            clock = asyncio.ensure_future(late())
            begun = time.perf_counter()
            await visitor.get("/update?a=1", headers=COOKIE)
            elapsed = time.perf_counter() - begun
            took.append(elapsed - (await clock if elapsed > deadline / 2 else not clock.cancel()))
    return sorted(took)


async def test_timeouts_are_timeouts(make_site):
    """A timeout is a SessionStoreTimeout, a TimeoutError and a ConnectionError, and says how long was waited."""
    async with hung_store() as store:
        site = make_site(store, store_timeout=0.01)
        async with site.visitor() as visitor:
            for kind in (SessionStoreTimeout, TimeoutError, ConnectionError):
                with pytest.raises(kind, match=r"did not answer within 0\.01 seconds"):
                    await visitor.get("/show", headers=COOKIE)
            assert (await visitor.get("/untouched", headers=COOKIE)).status_code == 200


@pytest.mark.parametrize("function", [list_sessions, revoke_all_sessions])
async def test_users_lists_have_the_deadline_too(make_site, function):
    """A request that asks for a user's sessions waits no longer, and is answered as the policy says."""
    async with hung_store() as store, asyncio.timeout(30):
        site = make_site(store, store_timeout=0.05, on_store_failure="unavailable")

        @site.view
        async def devices(request):
            with pytest.raises(SessionStoreTimeout):
                await function(request, "ada")
            await function(request, "ada")

        async with site.visitor() as visitor:
            assert (await visitor.get("/devices")).status_code == 503


async def test_a_store_that_swallows_cancellation():
    """A client that takes the cancellation at the end of the time for something of its own is cancelled again."""
    swallowed = []

    async def stubborn():
        while True:
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                swallowed.append(1)
                if len(swallowed) == 3:
                    raise OSError("that was a timeout, was it not?") from None

    with pytest.raises(SessionStoreTimeout, match=r"did not answer within 0\.01 seconds"):
        await StoreCalls(timeout=0.01)(stubborn)
    assert len(swallowed) == 3
    assert asyncio.current_task().cancelling() == 0


async def test_cancelled_by_others_when_time_is_up():
    """A request that is cancelled while its time is up ends cancelled, not with a timeout."""
    entered = asyncio.Event()

    async def slow():
        entered.set()
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            request.cancel()
            raise

    request = asyncio.ensure_future(StoreCalls(timeout=0.01)(slow))
    await entered.wait()
    with pytest.raises(asyncio.CancelledError):
        await request


async def test_the_stores_own_exception_is_raised(make_site):
    """By default the store's exception is passed on as it is."""
    store = Failing()
    store.failure = OSError("out of order")
    async with make_site(store).visitor() as visitor:
        with pytest.raises(OSError, match="out of order"):
            await visitor.get("/show", headers=COOKIE)


@pytest.mark.parametrize("when", ["load", "save"])
async def test_unavailable(make_site, when, caplog):
    """With "unavailable" the visitor gets 503 and Retry-After, no cookie, and no other answer."""
    store = Failing()
    async with make_site(store, lifetime=60, on_store_failure="unavailable").visitor() as visitor:
        if when == "load":
            store.failure = OSError()
            answer = await visitor.get("/show", headers=COOKIE)
        else:
            store.failure = OSError()
            answer = await visitor.get("/update?a=1")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert "set-cookie" not in answer.headers


async def test_unavailable_after_the_response_began(make_site):
    """A stream whose explicit save fails is not answered a second time: the exception ends it."""
    store = Failing()
    site = make_site(store, lifetime=60, on_store_failure="unavailable")

    @site.view
    async def stream(request):
        async def body():
            yield b"begun"
            store.failure = OSError()
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
async def test_unavailable_websockets(extensions, expected):
    """A WebSocket without a session is refused with 503, or closed with "try again later"."""
    store, sent = Failing(), []
    store.failure = OSError()

    async def send(message):
        sent.append(message)

    stack = SessionMiddleware(SessionAutoloadMiddleware(None), store=store, on_store_failure="unavailable")
    headers = [(b"cookie", COOKIE["cookie"].encode())]
    scope = {"type": "websocket", "path": "/", "headers": headers, "extensions": extensions}
    await stack(scope, None, send)
    assert expected.items() <= sent[0].items()


@pytest.mark.parametrize("when", ["load", "save"])
async def test_anonymous(make_site, when, caplog):
    """With "anonymous" the request goes on with a session that is not stored; the browser keeps its cookie."""
    store = Failing()
    async with make_site(store, lifetime=60, on_store_failure="anonymous").visitor() as visitor:
        await visitor.get("/update?name=Ada")
        session_id = visitor.cookies["session"]
        if when == "load":
            store.failure = OSError()
        else:
            store.write = None  # calling it fails
        with caplog.at_level(logging.ERROR, logger="starsessions"):
            answer = await visitor.get("/update?a=1")
        assert answer.json() == ({"a": "1"} if when == "load" else {"name": "Ada", "a": "1"})
        assert "set-cookie" not in answer.headers
        assert [record.event for record in caplog.records] == ["session.store_failed"]
        assert session_id not in caplog.text
        store.failure = None
        assert (await visitor.get("/show")).json() == {"name": "Ada"}


async def test_anonymous_logout(make_site):
    """A logout that the store does not learn of still takes the cookie away."""
    store = Failing()
    async with make_site(store, on_store_failure="anonymous").visitor() as visitor:
        await visitor.get("/update?a=1")
        store.failure = OSError()
        assert (await visitor.get("/clear")).headers["set-cookie"].startswith("session='';")


async def test_what_did_not_change_needs_no_store(make_site, caplog):
    """A rolling session that cannot be renewed spoils no answer: the log says so."""
    store = Failing()
    site = make_site(store, lifetime=60, rolling=True)

    @site.view
    async def show(request):
        store.failure = OSError()
        return Response(json.dumps(request.session))

    async with site.visitor() as visitor:
        await visitor.get("/update?a=1")
        assert (await visitor.get("/show")).json() == {"a": "1"}
    assert [record.event for record in caplog.records] == ["session.store_failed"]


async def test_an_expired_session_that_cannot_be_removed(make_site, clock, caplog):
    """An expired session is refused although the store fails to remove it."""
    store = Failing()
    site = make_site(store, lifetime=60)

    async def fail(session_id):
        raise OSError

    async with site.visitor() as visitor:
        await visitor.get("/update?a=1")
        cookie = visitor.cookies["session"]
        store.remove = fail
        store.records.data[cookie].expires *= 2
        clock.advance(61)
        assert (await visitor.get("/show", headers={"cookie": f"session={cookie}"})).json() == {}
    assert [record.event for record in caplog.records if record.levelno == logging.ERROR] == ["session.store_failed"]


@pytest.mark.parametrize("nonsense", [7, 10**12, ["a"], {"a": 1}, object(), 1.5], ids=repr)
async def test_a_store_that_answers_nonsense(make_site, nonsense, caplog):
    """What is no bytes is no session: the visitor gets an empty one with another id."""

    class Nonsense(Failing):
        async def read(self, session_id, lifetime):
            return nonsense

    async with make_site(Nonsense()).visitor() as visitor:
        answer = await visitor.get("/update?a=1", headers=COOKIE)
    assert answer.json() == {"a": "1"}
    assert COOKIE["cookie"] not in answer.headers["set-cookie"]
    assert [record.event for record in caplog.records] == ["session.discarded"]


@pytest.mark.parametrize("nonsense", [None, 7, b"id", ""], ids=repr)
async def test_a_store_that_returns_no_id(make_site, nonsense):
    """A `write` that returns no id is an error that names the store."""

    class Forgetful(Failing):
        async def write(self, session_id, data, lifetime, ttl):
            return nonsense

    async with make_site(Forgetful()).visitor() as visitor:
        with pytest.raises(SessionError, match=r"Forgetful\.write returned"):
            await visitor.get("/update?a=1")


async def test_a_redis_that_talks_garbage(make_site):
    """A server that speaks another protocol is a failing store."""

    async def chatter(reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(chatter, "127.0.0.1", 0)
    client = Redis(port=server.sockets[0].getsockname()[1])
    site = make_site(RedisStore(connection=client), store_timeout=0.2, on_store_failure="unavailable")
    async with site.visitor() as visitor:
        assert (await visitor.get("/show", headers=COOKIE)).status_code == 503
    await client.aclose()
    server.close()


async def test_an_interrupted_command_leaves_no_half_read_connection(redis_client, redis_url):
    """After a timeout in the middle of an answer the next command gets its own answer, not the late one."""
    await redis_client.set("starsessions.slow", b"late answer")
    await redis_client.set("starsessions.next", b"own answer")
    upstream = redis_client.connection_pool.connection_kwargs
    delayed, released = asyncio.Event(), asyncio.Event()

    async def forward(source, target, *, hold):
        while data := await source.read(65536):
            if hold and b"late answer" in data:
                delayed.set()
                await released.wait()
            target.write(data)
        target.close()

    async def proxy(reader, writer):
        server_reader, server_writer = await asyncio.open_connection(upstream["host"], upstream["port"])
        await asyncio.gather(
            forward(reader, server_writer, hold=False),
            forward(server_reader, writer, hold=True),
            return_exceptions=True,
        )

    server = await asyncio.start_server(proxy, "127.0.0.1", 0)
    client = Redis.from_url(redis_url)
    client.connection_pool.connection_kwargs["port"] = server.sockets[0].getsockname()[1]
    client.connection_pool.connection_kwargs["host"] = "127.0.0.1"
    store, calls = RedisStore(connection=client), StoreCalls(timeout=0.2)
    with pytest.raises(SessionStoreTimeout):
        await calls(store.read, "slow", 60)
    assert delayed.is_set()
    released.set()
    for _ in range(3):
        assert await calls(store.read, "next", 60) == b"own answer"
    await client.aclose()
    server.close()


async def test_the_breaker_lets_one_probe_through(monkeypatch):
    """After the pause one call may try while the others are refused; its success lets everyone in again."""
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    breaker = CircuitBreaker(threshold=2, pause=5)
    for _ in range(2):
        breaker.enter()
        breaker.failed()
    with pytest.raises(SessionStoreUnavailable) as refused:
        breaker.enter()
    assert refused.value.retry_after == 5
    now += 5.1
    breaker.enter()
    with pytest.raises(SessionStoreUnavailable):
        breaker.enter()
    breaker.abandoned()  # the visitor of the probing request went away
    breaker.enter()
    breaker.succeeded()
    breaker.enter()
    breaker.enter()


async def test_a_failing_probe_begins_the_pause_anew(monkeypatch):
    """A probe that fails keeps the store alone for another pause."""
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    breaker = CircuitBreaker(threshold=1, pause=5)
    breaker.failed()
    now += 5.1
    breaker.enter()
    breaker.failed()
    with pytest.raises(SessionStoreUnavailable):
        breaker.enter()


async def test_a_store_that_fails_is_left_alone(make_site):
    """After five failures in a row the store is not asked any more, until it is tried again and works."""
    store = Failing()
    site = make_site(store, lifetime=60, on_store_failure="anonymous")
    async with site.visitor() as visitor:
        await visitor.get("/update?name=Ada")
        store.failure, store.calls = OSError(), 0
        for _ in range(8):
            await visitor.get("/show")
    assert store.calls == 5


async def test_errors_about_the_session_are_no_failures_of_the_store():
    """A session that is too large says nothing about the store and is passed on under every policy."""

    async def refuse():
        raise SessionTooLarge("too large")

    calls = StoreCalls(policy="anonymous")
    for _ in range(10):
        with pytest.raises(SessionTooLarge):
            await calls(refuse)


@pytest.mark.parametrize("error", [ValueError, KeyError, TypeError])
async def test_one_visitor_cannot_close_the_store_for_all(make_site, error):
    """A store that raises because of the id in one visitor's cookie, no UUID for example, is asked for the others'."""

    class Picky(Failing):
        async def read(self, session_id, lifetime):
            if "attack" in session_id:
                raise error(session_id)
            return await super().read(session_id, lifetime)

    site = make_site(Picky(), lifetime=60)
    async with site.visitor() as visitor:
        await visitor.get("/update?name=Ada")
        for number in range(10):
            with pytest.raises(error):
                await visitor.get("/show", headers={"cookie": f"session=attack{number}"})
        assert (await visitor.get("/show")).json() == {"name": "Ada"}


async def test_a_cancelled_request_is_no_failure_of_the_store():
    """Visitors who go away do not open the breaker."""

    async def wait():
        await asyncio.Event().wait()

    calls = StoreCalls(timeout=60)
    for _ in range(10):
        task = asyncio.ensure_future(calls(wait))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    calls.breaker.enter()


@pytest.mark.parametrize(
    "options",
    [{"store_timeout": 0}, {"store_timeout": -1}, {"store_timeout": "5"}, {"on_store_failure": "ignore"}],
    ids=str,
)
def test_refused_options(options):
    """A timeout that is not positive and an unknown policy are refused when the middleware is made."""
    with pytest.raises(ImproperlyConfigured, match=next(iter(options))):
        SessionMiddleware(None, store=InMemoryStore(), **options)


async def test_anonymous_keeps_the_id_the_browser_has(make_site):
    """A new id that could not be stored is not sent, and the session of the old one goes on when the store is back."""
    store = Failing()
    site = make_site(store, lifetime=60, rolling=True, on_store_failure="anonymous")

    @site.view
    async def renew(request):
        regenerate_session_id(request)
        store.failure = OSError()
        return Response()

    async with site.visitor() as visitor:
        await visitor.get("/update?a=1")
        first = visitor.cookies["session"]
        await visitor.get("/renew")
        assert visitor.cookies["session"] == first
        store.failure = None
        assert (await visitor.get("/show")).json() == {"a": "1"}
