"""Starlette and FastAPI applications behind a real server: HTTP, WebSockets, streams, background tasks."""

import asyncio
import json
import logging
import socket
from contextlib import asynccontextmanager
from typing import Annotated

import httpx
import pytest
import uvicorn
import websockets
from fastapi import BackgroundTasks, Depends, FastAPI, Request, WebSocket
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocketDisconnect

from starsessions import (
    CookieStore,
    InMemoryStore,
    SessionAutoloadMiddleware,
    SessionMiddleware,
    get_session_handler,
    load_session,
)
from starsessions.stores.redis import RedisStore

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def served(app):
    """Serve `app` on a free port of this machine; yields "127.0.0.1:port"."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on"))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()


@pytest.fixture
def redis_store(redis_client):
    return RedisStore(connection=redis_client)


def sessions(store, **options):
    return [
        Middleware(SessionMiddleware, store=store, lifetime=60, cookie_https_only=False, **options),
        Middleware(SessionAutoloadMiddleware),
    ]


async def show(request):
    return JSONResponse(request.session)


async def test_fastapi(redis_store):
    """A FastAPI application: async and sync endpoints, dependencies and background tasks share the session."""
    app = FastAPI(middleware=sessions(redis_store))

    def current_user(request: Request) -> str:
        return request.session.get("user", "nobody")

    @app.post("/login/{user}")
    async def login(request: Request, user: str) -> dict[str, str]:
        request.session["user"] = user
        return {"user": user}

    @app.get("/me")
    def me(user: Annotated[str, Depends(current_user)]) -> dict[str, str]:
        return {"user": user}

    finished = asyncio.Event()

    async def count_later(request: Request) -> None:
        request.session["later"] = True
        await get_session_handler(request).save()
        finished.set()

    @app.post("/later")
    async def later(request: Request, tasks: BackgroundTasks) -> None:
        tasks.add_task(count_later, request)

    @app.get("/all")
    async def everything(request: Request) -> dict[str, object]:
        return request.session

    async with served(app) as address, httpx.AsyncClient(base_url=f"http://{address}") as browser:
        assert (await browser.get("/me")).json() == {"user": "nobody"}
        await browser.post("/login/ada")
        assert (await browser.get("/me")).json() == {"user": "ada"}
        await browser.post("/later")
        await finished.wait()
        assert (await browser.get("/all")).json() == {"user": "ada", "later": True}


@pytest.fixture(params=["memory", "cookie", "redis"])
def any_store(request):
    if request.param == "redis":
        return request.getfixturevalue("redis_store")
    return InMemoryStore() if request.param == "memory" else CookieStore("k" * 32)


async def test_websocket_accept_carries_the_cookie(any_store):
    """A session begun by a WebSocket is stored when it is accepted, and the handshake sets the cookie."""

    async def chat(websocket: WebSocket):
        websocket.session["chat"] = 1
        await websocket.accept(headers=[(b"x-own", b"1")])
        await websocket.close()

    app = Starlette(routes=[WebSocketRoute("/chat", chat), Route("/show", show)], middleware=sessions(any_store))
    async with served(app) as address:
        async with websockets.connect(f"ws://{address}/chat") as socket_:
            headers = socket_.response.headers
        cookie = headers["set-cookie"].partition(";")[0]
        assert headers["x-own"] == "1"
        assert headers["vary"] == "Cookie"
        async with httpx.AsyncClient(base_url=f"http://{address}") as browser:
            assert (await browser.get("/show", headers={"cookie": cookie})).json() == {"chat": 1}


@pytest.mark.parametrize("ending", ["server closes", "visitor leaves", "explicit save"])
async def test_websocket_changes_during_the_conversation(redis_store, ending):
    """Changes made after the handshake are stored when either side ends it, or at once by `save`."""
    done = asyncio.Event()

    class Outermost:
        """Tells when a conversation is over for the session's middleware, too."""

        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            await self.app(scope, receive, send)
            if scope["type"] == "websocket":
                done.set()

    async def chat(websocket: WebSocket):
        websocket.session["messages"] = 0
        await websocket.accept()
        async for _ in websocket.iter_text():
            websocket.session["messages"] += 1
            if ending == "explicit save":
                await get_session_handler(websocket).save()
            await websocket.send_text("noted")
            if ending == "server closes":
                await websocket.close()
                break

    app = Starlette(
        routes=[WebSocketRoute("/chat", chat), Route("/show", show)],
        middleware=[Middleware(Outermost), *sessions(redis_store)],
    )
    async with served(app) as address, httpx.AsyncClient(base_url=f"http://{address}") as browser:
        async with websockets.connect(f"ws://{address}/chat") as socket_:
            cookie = socket_.response.headers["set-cookie"].partition(";")[0]
            await socket_.send("hello")
            assert await socket_.recv() == "noted"
            if ending == "explicit save":
                assert (await browser.get("/show", headers={"cookie": cookie})).json() == {"messages": 1}
        await done.wait()
        assert (await browser.get("/show", headers={"cookie": cookie})).json() == {"messages": 1}


async def test_websocket_that_raises_disconnect(redis_store):
    """A conversation that ends in WebSocketDisconnect has its changes stored and the exception passed on."""

    async def app(scope, receive, send):
        scope["session"]["begun"] = True
        await send({"type": "websocket.accept"})
        scope["session"]["ended"] = True
        raise WebSocketDisconnect(1001)

    sent = []

    async def send(message):
        sent.append(message)

    stack = SessionMiddleware(SessionAutoloadMiddleware(app), store=redis_store, lifetime=60)
    with pytest.raises(WebSocketDisconnect):
        await stack({"type": "websocket", "path": "/", "headers": [], "query_string": b""}, None, send)
    session_id = sent[0]["headers"][0][1][8:40].decode()
    document = json.loads(await redis_store.read(session_id, lifetime=60))
    assert (document["begun"], document["ended"]) == (True, True)


async def test_websocket_refusal(redis_store):
    """A refused handshake with a response of its own carries the cookie as any other response."""

    async def refuse(websocket: WebSocket):
        websocket.session["refused"] = True
        await websocket.send_denial_response(Response("no", status_code=401))

    app = Starlette(routes=[WebSocketRoute("/", refuse), Route("/show", show)], middleware=sessions(redis_store))
    async with served(app) as address:
        with pytest.raises(websockets.InvalidStatus) as error:
            await websockets.connect(f"ws://{address}/")
        assert error.value.response.status_code == 401
        cookie = error.value.response.headers["set-cookie"].partition(";")[0]
        async with httpx.AsyncClient(base_url=f"http://{address}") as browser:
            assert (await browser.get("/show", headers={"cookie": cookie})).json() == {"refused": True}


async def test_late_change_without_a_cookie_is_reported(caplog):
    """A session that begins after the handshake cannot reach the browser: nothing is stored, the log says so."""
    store = InMemoryStore()

    async def app(scope, receive, send):
        await send({"type": "websocket.accept"})
        scope["session"]["late"] = True

    async def send(message):
        pass

    stack = SessionMiddleware(SessionAutoloadMiddleware(app), store=store)
    with caplog.at_level(logging.WARNING, logger="starsessions"):
        await stack({"type": "websocket", "path": "/", "headers": [], "query_string": b""}, None, send)
    assert not store.data
    assert [record.event for record in caplog.records] == ["session.cookie_unsendable"]


async def test_stream_saves_explicitly(redis_store):
    """A streaming body stores its changes with `save`."""

    async def stream(request):
        await load_session(request)
        request.session["state"] = "begun"

        async def body():
            yield "a"
            request.session["state"] = "done"
            await get_session_handler(request).save()
            yield "b"

        return StreamingResponse(body())

    app = Starlette(routes=[Route("/stream", stream), Route("/show", show)], middleware=sessions(redis_store))
    async with served(app) as address, httpx.AsyncClient(base_url=f"http://{address}") as browser:
        assert (await browser.get("/stream")).text == "ab"
        assert (await browser.get("/show")).json() == {"state": "done"}
