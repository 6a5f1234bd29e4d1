"""Fixtures: an application with a session, a client for it, every store, Redis servers of a test's own."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, settings
from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pentad_services.guard import GuardedProcess, ProcessGuard
from starsessions import CookieStore, InMemoryStore, SessionAutoloadMiddleware, SessionMiddleware, SessionStore
from starsessions.stores.redis import RedisStore

# how fast the machine is, is not what is tested
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

KEY = "a-key-long-enough-for-signing-cookies-1"
PATIENCE = 120  # seconds: what a busy machine has not done by then it never will

View = Callable[[Request], Any]


class DictStore(SessionStore):
    """A store as a third party writes it: the three abstract methods and nothing else."""

    def __init__(self) -> None:
        self.records: dict[str, bytes] = {}
        self.calls: list[str] = []

    async def read(self, session_id: str, lifetime: int) -> bytes:
        self.calls.append("read")
        return self.records.get(session_id, b"")

    async def write(self, session_id: str, data: bytes, lifetime: int, ttl: int) -> str:
        self.calls.append("write")
        self.records[session_id] = data
        return session_id

    async def remove(self, session_id: str) -> None:
        self.calls.append("remove")
        del self.records[session_id]


class FailingStore(SessionStore):
    """Keeps records until `failure` is set; then it raises that instead."""

    def __init__(self) -> None:
        self.records = InMemoryStore()
        self.failure: Exception | None = None
        self.calls = 0

    def _called(self) -> None:
        self.calls += 1
        if self.failure is not None:
            raise self.failure

    async def read(self, session_id: str, lifetime: int) -> bytes:
        self._called()
        return await self.records.read(session_id, lifetime)

    async def write(self, session_id: str, data: bytes, lifetime: int, ttl: int) -> str:
        self._called()
        return await self.records.write(session_id, data, lifetime, ttl)

    async def remove(self, session_id: str) -> None:
        self._called()
        await self.records.remove(session_id)


@pytest.fixture
def failing_store() -> FailingStore:
    return FailingStore()


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    # Python's development mode would have asyncio note where every callback came from: four fifths of the time.
    return "asyncio", {"debug": False}


@pytest.fixture(autouse=True)
def _patience_with_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a store that a busy machine keeps waiting be no failure, where a test asks for no limit."""
    monkeypatch.setitem(SessionMiddleware.__init__.__kwdefaults__, "store_timeout", PATIENCE)


@pytest.fixture
async def redis_client(redis_url: str) -> AsyncIterator[Redis]:
    # redis-py's own 5 seconds, after which it asks again, are few on a busy machine.
    client = Redis.from_url(redis_url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE)
    yield client
    await client.aclose()


@pytest.fixture(params=["memory", "cookie", "redis", "third party"])
def store(request: pytest.FixtureRequest) -> SessionStore:
    """Every kind of store, one after the other."""
    if request.param == "redis":
        return RedisStore(connection=request.getfixturevalue("redis_client"))
    return {"memory": InMemoryStore, "cookie": lambda: CookieStore(KEY), "third party": DictStore}[request.param]()


async def _show(request: Request) -> Response:
    return JSONResponse(dict(request.session))


async def _update(request: Request) -> Response:
    request.session.update(request.query_params)
    return JSONResponse(dict(request.session))


async def _clear(request: Request) -> Response:
    request.session.clear()
    return Response()


async def _untouched(request: Request) -> Response:
    return Response()


class Site:
    """An application with a session, and visitors to it. `views` add to `/show`, `/update` and `/clear`."""

    def __init__(
        self, store: SessionStore | None, *, autoload: bool = True, inside: Sequence[Middleware] = (), **options: Any
    ) -> None:
        self.views: dict[str, View] = {"show": _show, "update": _update, "clear": _clear, "untouched": _untouched}
        self.store = store
        middleware = [Middleware(SessionMiddleware, store=store, **options)]
        if autoload:
            middleware.append(Middleware(SessionAutoloadMiddleware, paths=["/(?!untouched)"]))
        middleware.extend(inside)
        self.app = Starlette(routes=[Route("/{view:path}", self._serve)], middleware=middleware)

    async def _serve(self, request: Request) -> Response:
        return await self.views[request.path_params["view"]](request)

    def view(self, function: View) -> View:
        """Serve `function` under its name."""
        self.views[function.__name__] = function
        return function

    @asynccontextmanager
    async def visitor(self, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
        """A browser: it keeps cookies and speaks HTTPS."""
        transport = httpx.ASGITransport(app=self.app, **options)
        async with httpx.AsyncClient(transport=transport, base_url="https://site.example") as client:
            yield client


@pytest.fixture
def make_site() -> type[Site]:
    return Site


@pytest.fixture
def site(store: SessionStore) -> Site:
    return Site(store, lifetime=60)


@pytest.fixture
async def visitor(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    async with site.visitor() as client:
        yield client


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> "Clock":
    return Clock(monkeypatch)


class Clock:
    """The time of this process: it passes by a microsecond whenever it is asked for. Redis keeps its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._now = time.time()
        monkeypatch.setattr(time, "time", self._time)

    def _time(self) -> float:
        self._now += 1e-6
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += seconds


class RedisServers:
    """Starts Redis servers of a test's own, with the program that runs the Redis of the other tests."""

    def __init__(self, program: Path, folder: Path, guard: ProcessGuard) -> None:
        self.program, self._folder, self._guard = program, folder, guard

    def start(self, *lines: str, mode: str = "", program: Path | None = None, **settings: object) -> GuardedProcess:
        """Start a server on 127.0.0.1. Underscores in the names of settings stand for hyphens."""
        folder = self._folder / str(settings.get("port") or settings["tls_port"])
        folder.mkdir()
        settings = {"bind": "127.0.0.1", "dir": folder, "save": '""', **settings}
        lines = (*(f"{name.replace('_', '-')} {value}" for name, value in settings.items()), *lines)
        (folder / "redis.conf").write_text("\n".join(lines) + "\n")
        arguments = [program or self.program, folder / "redis.conf", *([mode] if mode else [])]
        return self._guard.spawn(arguments, cwd=folder, log=folder / "redis.log")

    @staticmethod
    def free_ports(count: int) -> list[int]:
        """Return ports of this machine that nobody listens on."""
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
        ports = [one.getsockname()[1] for one in sockets]
        for one in sockets:
            one.close()
        return ports

    @staticmethod
    async def until(call: Callable[[], Awaitable[Any]], *errors: type[Exception], seconds: float = PATIENCE) -> Any:
        """Call until there is an answer that is not false and no such error; return it."""
        async with asyncio.timeout(seconds):
            while True:
                try:
                    if answer := await call():
                        return answer
                except errors:
                    pass
                await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def redis_servers(redis_service: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServers]:
    with BlockingRedis.from_url(redis_service.url) as client:
        program = Path(client.info("server")["executable"])
    if not program.exists():
        pytest.skip(
            f"the Redis of these tests does not run on this machine ({program}); these need servers of their own"
        )
    with ProcessGuard() as guard:
        yield RedisServers(program, tmp_path_factory.mktemp("redis"), guard)
