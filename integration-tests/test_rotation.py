"""Keys and credentials are rotated under load: two worker processes, visitors who hop between them, a real S3 server.

This file is also the site that the workers serve: `uvicorn --factory test_rotation:site`.
"""

import asyncio
import os
import socket
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import httpx
import pytest

VISITORS = 3
PAUSE = 0.15  # seconds between two requests of a visitor
TTL = 0.2  # seconds
LAG = 0.4  # seconds between the two nodes' mounts
SETTLE = 5  # seconds: more than the lag and the time-to-live together, also on a machine that stalls now and then
PATIENCE = 300  # seconds


def site():
    """A page that counts a visitor's requests in a signed cookie, and one that reads an object."""
    from minio import Minio
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.middleware import Middleware
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    from pentad_config import KeyRing, Secret
    from pentad_config.minio import SecretProvider
    from starsessions import CookieStore, SessionMiddleware, load_session

    mount = os.environ["ROTATION_MOUNT"]
    ring = KeyRing(Secret.at(f"file:{mount}/keys", ttl=TTL), settle=float(os.environ["ROTATION_SETTLE"]))
    provider = SecretProvider(Secret.at(f"file:{mount}/access", ttl=TTL), Secret.at(f"file:{mount}/secret", ttl=TTL))
    storage = Minio(
        endpoint=os.environ["ROTATION_S3"], credentials=provider, secure=False, region=os.environ["ROTATION_REGION"]
    )

    async def visit(request):
        await load_session(request)
        request.session["count"] = request.session.get("count", 0) + 1
        return JSONResponse({"count": request.session["count"], "version": ring.version})

    def read():
        answer = storage.get_object(bucket_name=os.environ["ROTATION_BUCKET"], object_name="page")
        try:
            return answer.read().decode()
        finally:
            answer.close()
            answer.release_conn()

    async def stored(request):
        return JSONResponse({"text": await run_in_threadpool(read), "generation": provider.generation})

    return Starlette(
        routes=[Route("/visit", visit), Route("/stored", stored)],
        middleware=[Middleware(SessionMiddleware, store=CookieStore(ring), lifetime=3600, cookie_https_only=False)],
    )


@dataclass
class Tally:
    """What the visitors saw."""

    visits: int = 0
    lost: int = 0
    reads: int = 0
    failed: list[str] = field(default_factory=list)
    rounds: Counter[int] = field(default_factory=Counter)
    versions: set[int] = field(default_factory=set)
    generations: set[int] = field(default_factory=set)


def mount(folder: Path, number: int, files: dict[str, str]) -> None:
    """Replace all files at once, as Kubernetes does: a new folder, then one rename of the link to it."""
    new = folder / f"..{number}"
    new.mkdir(parents=True)
    for name, text in files.items():
        (new / name).write_text(text)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    (folder / "..next").symlink_to(new.name)
    (folder / "..next").rename(folder / "..data")


def generation(number: int, pairs: list[tuple[str, str]]) -> dict[str, str]:
    """The files after rotation `number`: the newest of three keys first, and one of the pairs."""
    keys = [f"key-{n}-{'k' * 32}" for n in range(number, max(-1, number - 3), -1)]
    access, secret = pairs[number % len(pairs)]
    return {"keys": "\n".join(keys), "access": access, "secret": secret}


async def hop(visitor: int, sockets: list[Path], tally: Tally, stop: asyncio.Event) -> None:
    """One visitor: each request goes to the other worker, with the cookie of the last answer."""
    transports = [httpx.AsyncHTTPTransport(uds=str(path)) for path in sockets]
    clients = [
        httpx.AsyncClient(transport=transport, base_url="http://site", timeout=PATIENCE) for transport in transports
    ]
    cookie, expected = "", 0
    for number in count():
        if stop.is_set():
            break
        client = clients[number % len(clients)]
        answer = await client.get("/visit", headers={"cookie": f"session={cookie}"} if cookie else {})
        seen = answer.json()
        tally.visits += 1
        tally.lost += seen["count"] != expected + 1
        tally.versions.add(seen["version"])
        cookie, expected = answer.cookies["session"], seen["count"]
        client.cookies.clear()
        if number % 4 < len(clients):
            await read_object(client, tally)
        tally.rounds[visitor] += client is clients[-1]
        await asyncio.sleep(PAUSE)
    for client in clients:
        await client.aclose()


async def read_object(client: httpx.AsyncClient, tally: Tally) -> None:
    answer = await client.get("/stored")
    tally.reads += 1
    if answer.status_code == 200 and answer.json()["text"] == "hello":
        tally.generations.add(answer.json()["generation"])
    else:
        tally.failed.append(f"{answer.status_code} {answer.text[:80]}")


async def rotate(mounts: list[Path], pairs: list[tuple[str, str]], rotations: int, settle: float, tally: Tally) -> None:
    """Rotate so often; every visitor is at both workers before, in between and afterwards."""
    # The pauses are what is tested: how far the nodes are apart, and how soon a key follows the one before.
    await everybody_has_been_round(tally)
    for number in range(1, rotations + 1):
        for place, folder in enumerate(mounts):
            if place:
                await asyncio.sleep(LAG)
            mount(folder, number, generation(number, pairs))
        await asyncio.sleep(settle + TTL)
        await everybody_has_been_round(tally)


async def everybody_has_been_round(tally: Tally) -> None:
    """Two ends of a round: the second is that of one which has begun by now."""
    begun = Counter(tally.rounds)
    await until(lambda: all(tally.rounds[visitor] >= begun[visitor] + 2 for visitor in range(VISITORS)))


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - it is told of nowhere
            await asyncio.sleep(PAUSE)


async def load(sockets: list[Path], change: Callable[[Tally], Awaitable[None]]) -> Tally:
    """What visitors see while this is changed."""
    tally, stop = Tally(), asyncio.Event()
    visitors = [asyncio.create_task(hop(visitor, sockets, tally, stop)) for visitor in range(VISITORS)]
    try:
        await change(tally)
    finally:
        stop.set()
        await asyncio.gather(*visitors)
    return tally


@pytest.fixture
def pairs(s3_service, s3_bucket):
    """Two pairs of keys that the server accepts at the same time."""
    from minio import Minio

    if not (s3_service.second_keys and s3_service.checks_signatures):
        pytest.skip(f"{s3_service.line} accepts one pair of keys only, so there is nothing to rotate")
    client = Minio(
        endpoint=s3_service.endpoint,
        access_key=s3_service.access_key,
        secret_key=s3_service.secret_key,
        secure=False,
        region=s3_service.region,
    )
    from io import BytesIO

    client.put_object(bucket_name=s3_bucket, object_name="page", data=BytesIO(b"hello"), length=5)
    return [s3_service.keys.revealed(), s3_service.second_keys.revealed()]


@pytest.fixture
def workers(process_guard, s3_service, s3_bucket, tmp_path):
    """Start one worker a mount; give their sockets once they answer."""
    started = []

    def start(mounts, settle):
        sockets = [tmp_path / f"w{place}.sock" for place in range(2)]
        for path, folder in zip(sockets, mounts * (2 // len(mounts)), strict=True):
            environ = os.environ | {
                "ROTATION_MOUNT": str(folder),
                "ROTATION_SETTLE": str(settle),
                "ROTATION_S3": s3_service.endpoint,
                "ROTATION_REGION": s3_service.region,
                "ROTATION_BUCKET": s3_bucket,
            }
            command = [sys.executable, "-m", "uvicorn", "--factory", "test_rotation:site", "--uds", str(path)]
            worker = process_guard.spawn(
                [*command, "--log-level", "warning"], env=environ, cwd=Path(__file__).parent, log=tmp_path / "log"
            )
            started.append(worker)
        for path, worker in zip(sockets, started, strict=True):
            wait_until_it_answers(path, worker)
        return sockets

    yield start
    for worker in started:
        worker.stop(grace=0)


def wait_until_it_answers(path: Path, worker) -> None:
    deadline = time.monotonic() + PATIENCE
    while not listens(path):
        assert worker.poll() is None, worker.tail()
        assert time.monotonic() < deadline, f"no answer at {path}"
        time.sleep(0.05)
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://site") as client:
        client.get("/visit").raise_for_status()


def listens(path: Path) -> bool:
    """Whether a server takes connections; asked without httpx, which leaves a refused socket open."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def first_mounts(tmp_path, pairs, nodes):
    mounts = [tmp_path / f"node{number}" for number in range(nodes)]
    for folder in mounts:
        mount(folder, 0, generation(0, pairs))
    return mounts


def run(tmp_path, workers, pairs, *, nodes, settle, rotations):
    mounts = first_mounts(tmp_path, pairs, nodes)
    sockets = workers(mounts, settle)
    tally = asyncio.run(load(sockets, lambda tally: rotate(mounts, pairs, rotations, settle, tally)))
    print(f"{rotations} rotations, {tally.visits} visits, {tally.lost} lost, {tally.reads} reads, {tally.failed}")
    return tally


def test_no_session_and_no_request_is_lost_when_nodes_learn_of_a_rotation_at_different_times(tmp_path, workers, pairs):
    """With `settle` above the lag the old key signs until both nodes have the new one."""
    tally = run(tmp_path, workers, pairs, nodes=2, settle=SETTLE, rotations=3)
    assert (tally.lost, tally.failed) == (0, [])
    assert len(tally.versions) > 3
    assert len(tally.generations) > 3


def test_no_session_and_no_request_is_lost_on_one_mount_without_settling(tmp_path, workers, pairs):
    """One more look after a bad signature is enough where all processes read the same file."""
    tally = run(tmp_path, workers, pairs, nodes=1, settle=0, rotations=6)
    assert (tally.lost, tally.failed) == (0, [])
    assert len(tally.versions) > 6


def test_sessions_are_lost_without_settling_when_nodes_learn_at_different_times(tmp_path, workers, pairs):
    """What the first test would show if the settle rule did not hold."""
    mounts = first_mounts(tmp_path, pairs, nodes=2)

    async def rotate_one(tally):
        mount(mounts[0], 1, generation(1, pairs))
        await until(lambda: tally.lost > 0)

    tally = asyncio.run(load(workers(mounts, 0), rotate_one))
    assert tally.lost > 0
    assert tally.failed == []
