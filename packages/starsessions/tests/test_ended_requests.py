"""What is left of a session when its request has ended: nothing to collect, and all that a task still needs."""

import asyncio
import contextlib
import gc
import weakref

import pytest
from starlette.requests import Request
from starlette.responses import Response

from starsessions import InMemoryStore, SessionMiddleware, get_session_handler, load_session

pytestmark = pytest.mark.anyio

SESSION_ID = "0" * 32


@contextlib.contextmanager
def no_collector():
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def request(store, view, **options):
    """Send a request of a visitor, who has a session, to an application that calls `view` and answers."""

    async def app(scope, receive, send):
        await view(Request(scope))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(message):
        pass

    headers = [(b"cookie", b"session=" + SESSION_ID.encode())]
    scope = {"type": "http", "path": "/", "query_string": b"", "method": "GET", "headers": headers}
    await SessionMiddleware(app, store=store, lifetime=60, **options)(scope, None, send)


async def stored(store):
    """Return the session that the next request sees."""
    seen = []

    async def look(request):
        await load_session(request)
        seen.append(dict(request.session))

    await request(store, look)
    return seen[0]


@pytest.fixture
async def store():
    store = InMemoryStore()
    await store.write(SESSION_ID, b'{"cart": ["apple"]}', lifetime=60, ttl=60)
    return store


async def untouched(request):
    pass


async def reading(request):
    await load_session(request)
    assert request.session["cart"] == ["apple"]


async def changing(request):
    await load_session(request)
    request.session["cart"].append("pear")


@pytest.mark.parametrize("view", [untouched, reading, changing])
async def test_nothing_is_left_to_collect(store, view):
    """Handler and session are freed with the request, not when the garbage collector comes."""
    left = []

    async def watched(request):
        await view(request)
        left.extend(map(weakref.ref, (get_session_handler(request), request.scope["session"])))

    with no_collector():
        await request(store, watched)
        assert [ref() for ref in left] == [None, None]


async def saves_the_session(request):
    request.session["late"] = True
    await request.session.save()


async def saves_by_the_handler(request):
    request.session["late"] = True
    await get_session_handler(request).save()


async def loads_again(request):
    await load_session(request)
    request.session["late"] = True
    await get_session_handler(request).save()


@pytest.mark.parametrize(
    ("view", "job"),
    [(reading, saves_the_session), (reading, saves_by_the_handler), (untouched, loads_again), (changing, loads_again)],
)
async def test_a_task_outlives_its_request(store, view, job):
    """A task that goes on when the request has ended uses the session, loaded or not, as before."""
    ended, tasks = asyncio.Event(), []

    async def begins_a_task(request):
        await view(request)

        async def task():
            await ended.wait()
            await job(request)

        tasks.append(asyncio.create_task(task()))

    await request(store, begins_a_task)
    ended.set()
    await tasks[0]
    assert await stored(store) == {"cart": ["apple", "pear"] if view is changing else ["apple"], "late": True}


async def test_only_the_handler_outlives_its_request(store):
    """Who kept the handler alone stores what has changed inside of the session since, and ends it."""
    kept = []

    async def keeps_the_handler(request):
        await load_session(request)
        kept.extend([get_session_handler(request), request.session["cart"]])

    await request(store, keeps_the_handler)
    handler, cart = kept
    cart.append("pear")
    await handler.save()
    assert await stored(store) == {"cart": ["apple", "pear"]}
    assert handler.connection.headers["cookie"] == f"session={SESSION_ID}"
    await handler.destroy()
    assert await stored(store) == {}


async def test_only_the_session_outlives_its_request(store):
    """Who kept the session alone changes and saves it."""
    kept = []

    async def keeps_the_session(request):
        await load_session(request)
        kept.append(request.session)

    await request(store, keeps_the_session)
    kept[0]["late"] = True
    await kept[0].save()
    assert await stored(store) == {"cart": ["apple"], "late": True}


@pytest.mark.parametrize("view", [untouched, reading])
async def test_nothing_can_be_sent_any_more(store, view):
    """A message that comes after the end of the request is refused, whatever server there is, and says so."""
    kept = []

    async def app(scope, receive, send):
        await view(Request(scope, receive, send))
        await Response()(scope, receive, send)
        kept.append(send)

    async def send(message):
        pass

    scope = {"type": "http", "headers": [(b"cookie", f"session={SESSION_ID}".encode())]}
    await SessionMiddleware(app, store=store, lifetime=60)(scope, None, send)
    with pytest.raises(RuntimeError, match=r"has ended: 'http\.response\.body'"):
        await kept[0]({"type": "http.response.body", "body": b""})
