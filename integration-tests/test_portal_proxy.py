"""The notebook hub's proxy of the portal: events are passed on as they come, and who waits for them holds up nobody."""

import asyncio
import logging
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
from configurable_http_proxy.configproxy import PythonProxy
from tornado.httpserver import HTTPServer
from tornado.iostream import StreamClosedError
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler

sys.path.append(str(Path(__file__).resolve().parents[1] / "examples" / "portal"))

from portal.hub.proxy import StreamingHandler

EVENTS = {"Accept": "text/event-stream"}
PATIENCE = 120  # seconds


class Events(RequestHandler):
    """A first event at once, then as many as the test lets through."""

    async def get(self):
        self.set_header("Content-Type", "text/event-stream")
        try:
            while True:
                self.write(b"data: news\n\n")
                await self.flush()
                await self.settings["more"].wait()
                await asyncio.sleep(0)  # or nobody would have a turn before the socket is full
        except StreamClosedError:
            self.settings["left"].set()


class Plain(RequestHandler):
    def get(self):
        self.write("plain")


class Broken(RequestHandler):
    async def get(self):
        self.write(b"data: news\n\n")
        await self.flush()
        await self.settings["more"].wait()
        self.request.connection.stream.close()


@asynccontextmanager
async def listening(application):
    """The address at which an application is served."""
    listener, port = bind_unused_port()
    server = HTTPServer(application)
    server.add_socket(listener)
    yield f"http://127.0.0.1:{port}"
    server.stop()
    await server.close_all_connections()


@asynccontextmanager
async def proxied():
    """A client of a proxy in front of a hub, and the hub."""
    hub = Application([("/events", Events), ("/plain", Plain), ("/broken", Broken)])
    hub.settings.update(more=asyncio.Event(), left=asyncio.Event())
    async with listening(hub) as target:
        proxy = PythonProxy({"default_target": target, "proxy_timeout": 0})
        async with listening(Application([("/(.*)", StreamingHandler, {"proxy": proxy})])) as address:
            limits = httpx.Limits(max_connections=None)
            async with httpx.AsyncClient(base_url=address, timeout=PATIENCE, limits=limits) as client:
                yield client, hub


def test_many_who_wait_leave_the_proxy_to_the_others():
    """Each gets what is there before the answer is complete, and other pages are answered meanwhile."""

    async def scenario():
        async with proxied() as (client, _), AsyncExitStack() as waiting:
            for _ in range(12):
                answer = await waiting.enter_async_context(client.stream("GET", "/events", headers=EVENTS))
                assert answer.headers["content-type"] == "text/event-stream"
                assert await anext(answer.aiter_text()) == "data: news\n\n"
            assert (await client.get("/plain")).text == "plain"

    asyncio.run(scenario())


def test_who_leaves_is_no_error(caplog):
    """The hub learns of it with the next event, and the proxy's log says nothing of it."""

    async def scenario():
        async with proxied() as (client, hub):
            async with client.stream("GET", "/events", headers=EVENTS) as answer:
                await anext(answer.aiter_text())
            hub.settings["more"].set()
            await asyncio.wait_for(hub.settings["left"].wait(), PATIENCE)

    with caplog.at_level(logging.WARNING):
        asyncio.run(scenario())
    assert caplog.records == []


def test_an_answer_that_breaks_off_ends():
    """What has come is there; a hub that is away altogether is said to be."""

    async def scenario():
        async with proxied() as (client, hub), client.stream("GET", "/broken", headers=EVENTS) as answer:
            pieces = answer.aiter_text()
            assert await anext(pieces) == "data: news\n\n"
            hub.settings["more"].set()
            assert [piece async for piece in pieces] == []
        async with listening(Application()) as gone:
            pass
        proxy = PythonProxy({"default_target": gone, "proxy_timeout": 0})
        handlers = [("/(.*)", StreamingHandler, {"proxy": proxy})]
        async with listening(Application(handlers)) as address, httpx.AsyncClient(timeout=PATIENCE) as client:
            assert (await client.get(f"{address}/events", headers=EVENTS)).status_code == 503

    asyncio.run(scenario())
