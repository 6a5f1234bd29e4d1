"""Measures one session package in the environment it runs in; `bench_starsessions.py` starts it and asks.

One JSON object a line: `{"app": ..., "store": ..., "case": ..., "requests": ...}` is answered with the CPU and the
wall time of a request in microseconds. It speaks only names that starsessions 2.2.1 has as well, so the same file
measures both.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import sys
import time

from redis.asyncio import Redis
from starlette.middleware.sessions import SessionMiddleware as StarletteMiddleware
from starlette.requests import HTTPConnection

from starsessions import CookieStore, InMemoryStore, SessionMiddleware, load_session
from starsessions.stores.redis import RedisStore

KEY = "benchmark-key-that-is-long-enough-for-it"
LIFETIME = 3600
# 280 bytes of JSON with the metadata that is stored beside it.
DATA = {
    "user": {"id": 4711, "name": "Ada Lovelace", "roles": ["admin", "editor"]},
    "cart": [{"sku": "A-1", "count": 2}, {"sku": "A-2", "count": 1}],
    "csrf": "0123456789abcdef01234567",
}
COUNTER = itertools.count()


async def untouched(scope):
    """Answer without looking at the session."""


async def read(scope):
    """Look at one entry of the session."""
    connection = HTTPConnection(scope)
    await _load(connection)
    return connection.session["user"]


async def modify(scope):
    """Change one entry of the session."""
    connection = HTTPConnection(scope)
    await _load(connection)
    connection.session["count"] = next(COUNTER)


async def fill(scope):
    """Fill a new session."""
    connection = HTTPConnection(scope)
    await _load(connection)
    connection.session.update(DATA)


CASES = {"untouched": untouched, "read": read, "modify": modify, "new": fill}


async def _load(connection):
    if "session_handler" in connection.scope:  # Starlette's own middleware loads by itself
        await load_session(connection)


def application(view):
    """Return an application that calls `view` and answers."""

    async def app(scope, _receive, send):
        await view(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return app


def with_a_dictionary(app):
    """Return `app` with a dictionary in the place of a session: what the application itself costs."""
    data = dict(DATA)

    async def bare(scope, receive, send):
        scope["session"] = data
        await app(scope, receive, send)

    return bare


def make_store(kind, redis):
    """Return a store of the package that is measured."""
    if kind == "redis":
        return RedisStore(connection=redis)
    return InMemoryStore() if kind == "memory" else CookieStore(secret_key=KEY)


def wrapped(name, app, store):
    """Return `app` with the session middleware that is measured, or bare."""
    if name == "bare":
        return with_a_dictionary(app)
    if name == "starlette":
        return StarletteMiddleware(app, secret_key=KEY, max_age=LIFETIME)
    return SessionMiddleware(app, store=store, lifetime=LIFETIME)


class Visitor:
    """Sends requests straight into an application."""

    def __init__(self, *, keeps_cookies):
        self.cookie = b""
        self._keeps_cookies = keeps_cookies

    async def send(self, message):
        if not self._keeps_cookies:
            return
        for name, value in message.get("headers", ()):
            if name == b"set-cookie" and not self.cookie:
                self.cookie = value.partition(b";")[0]

    def scope(self):
        headers = [(b"host", b"site.example"), (b"user-agent", b"benchmark/1"), (b"accept", b"*/*")]
        if self.cookie:
            headers.append((b"cookie", self.cookie))
        return {"type": "http", "method": "GET", "path": "/", "root_path": "", "query_string": b"", "headers": headers}


async def _unused():
    raise RuntimeError("no view of the benchmark reads a body")


async def measure(order, redis):
    """Return CPU and wall time of one request in microseconds."""
    store = make_store(order["store"], redis)
    visitor = Visitor(keeps_cookies=order["case"] != "new")
    if order["case"] != "new":
        await wrapped(order["app"], application(fill), store)(visitor.scope(), _unused, visitor.send)
    app = wrapped(order["app"], application(CASES[order["case"]]), store)
    requests = range(order["requests"])
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in requests:  # each scope ends with its request, as it does in a server
        await app(visitor.scope(), _unused, visitor.send)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"cpu": cpu / len(requests) * 1e6, "wall": wall / len(requests) * 1e6}


async def measure_growth(order):
    """Return the CPU microseconds of writing one record, old or new, in a store with so many live sessions."""
    store, live, count = InMemoryStore(), order["live"], order["requests"]
    for number in range(live):
        await _write(store, f"{number:032x}")
    spread = [f"{number * 7919 % live:032x}" for number in range(count)]
    new = [f"{live + number:032x}" for number in range(count)]
    times = {"rewrite": await _writing(store, spread), "add": 0.0}
    for start in range(0, count, 10):  # a few at a time, so that the small store stays small
        batch = new[start : start + 10]
        times["add"] += await _writing(store, batch)
        for key in batch:
            await store.remove(key)
    return {kind: time / count * 1e6 for kind, time in times.items()}


async def _write(store, key):
    await store.write(session_id=key, data=b"x", lifetime=LIFETIME, ttl=LIFETIME)


async def _writing(store, keys):
    begin = time.process_time()
    for key in keys:
        await _write(store, key)
    return time.process_time() - begin


async def serve(redis_url):
    """Answer orders until the input ends."""
    redis = Redis.from_url(redis_url)
    gc.freeze()  # the collections between measurements need not look at the modules again
    for line in sys.stdin:
        order = json.loads(line)
        answer = await (measure_growth(order) if "live" in order else measure(order, redis))
        print(json.dumps(answer), flush=True)
    await redis.aclose()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
