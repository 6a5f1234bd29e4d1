"""Requests of one browser in random order, on a real Redis and in memory: no logout is undone, nothing that was stored is lost.

`PENTAD_INTERLEAVINGS` is how many are tried on Redis, a fifth of them in memory; the number in a failure's name repeats it.
"""

import asyncio
import dataclasses
import itertools
import json
import os
import random

import pytest
from starlette.requests import HTTPConnection

from starsessions import (
    InMemoryStore,
    SessionMiddleware,
    SessionStore,
    get_session_handler,
    load_session,
    regenerate_session_id,
)
from starsessions.exceptions import SessionGone
from starsessions.ids import hash_id, is_generated_id
from starsessions.stores.redis import RedisStore
from starsessions.updates import increment
from starsessions.users import list_sessions, revoke_all_sessions, sign_in, sign_out

pytestmark = pytest.mark.anyio

TOTAL = int(os.environ.get("PENTAD_INTERLEAVINGS", "1000"))
BATCHES = 10
PREFIX = "starsessions."


@dataclasses.dataclass
class Fact:
    """Something that was acknowledged: `what` of the session `session_id`, between two moments."""

    what: str
    session_id: str
    begun: int
    done: int
    keys: frozenset[str] = frozenset()


class World:
    """One browser, one user, one store, and what was acknowledged to them."""

    def __init__(self, store: SessionStore, chooser: random.Random) -> None:
        self.store, self.chooser = store, chooser
        self.middleware = SessionMiddleware(self._app, store=store, lifetime=3600, rolling=chooser.random() < 0.5)
        self.cookie = ""
        self.facts: list[Fact] = []
        self.sent: list[tuple[str, int]] = []
        self.successors: dict[str, str] = {}  # what sessions were renamed to
        self._moments = itertools.count(1)

    def now(self) -> int:
        return next(self._moments)

    def of(self, *kinds: str) -> list[Fact]:
        return [fact for fact in self.facts if fact.what in kinds]

    def later_ids(self, session_id: str) -> set[str]:
        """The ids that a session was given after this one."""
        ids = set()
        while session_id in self.successors:
            session_id = self.successors[session_id]
            ids.add(session_id)
        return ids

    async def _app(self, scope, receive, send):
        await scope["work"](HTTPConnection(scope))
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def request(self, work) -> None:
        """Make a request with the browser's cookie of this moment, and bring its answer to the browser."""
        begun = self.now()

        async def send(message):
            nonlocal begun
            for name, value in message["headers"]:
                if name == b"set-cookie":
                    cookie = value.decode().removeprefix("session=").partition(";")[0]
                    self.cookie = "" if cookie == "''" else cookie
                    self.sent.append((self.cookie, begun))

        async def work_until_the_answer(connection):
            nonlocal begun
            await work(connection)
            begun = self.now()

        headers = [(b"cookie", f"session={self.cookie}".encode())] if self.cookie else []
        scope = {"type": "http", "path": "/", "query_string": b"", "method": "GET", "headers": headers}
        await self.middleware({**scope, "work": work_until_the_answer}, None, send)


class Visit:
    """One request that does a few things with the session, at random."""

    def __init__(self, world: World, number: int) -> None:
        self.world, self.number, self.chooser = world, number, world.chooser
        self.id = ""
        self.pending: set[str] = set()
        self.deed = "store"  # what the next storing will be
        self.handler = None

    async def __call__(self) -> None:
        await self.pause()
        await self.world.request(self.work)
        handler = self.handler
        if handler is not None and handler.detached and self.deed == "wipe":
            self.world.facts.append(Fact("logout", self.id, self.begun, self.world.now()))
        if handler is None or handler.detached:
            return
        if handler.document is not None:
            if self.pending or self.deed != "store" or handler.session_id != self.id:
                self.acknowledge(self.begun, handler.session_id)
        elif self.deed == "wipe":
            self.world.facts.append(Fact("end", self.id, self.begun, self.world.now()))

    async def pause(self) -> None:
        for _ in range(self.chooser.randint(0, 4)):
            await asyncio.sleep(0)

    async def work(self, connection) -> None:
        await load_session(connection)
        handler = get_session_handler(connection)
        if handler.document is not None:
            self.handler, self.id = handler, handler.session_id
            steps = [self.put, self.save, self.count, self.sign_in, self.regenerate, self.clear, self.destroy]
            for turn in range(self.chooser.randint(1, 4)):
                await self.pause()
                step = self.chooser.choices(steps, [6, 4, 3, 1, 1, 1, 1])[0]
                if not await step(connection, turn) or handler.detached:
                    break
        self.begun = self.world.now()

    async def put(self, connection, turn) -> bool:
        key = f"{self.number}-{turn}"
        connection.session[key] = turn
        self.pending.add(key)
        return True

    async def save(self, connection, turn) -> bool:
        await self.put(connection, turn)
        begun = self.world.now()
        session_id = await connection.session.save()
        if session_id:
            self.acknowledge(begun, session_id)
        return bool(session_id)

    def acknowledge(self, begun: int, session_id: str) -> None:
        """The store has taken what was pending, under this id."""
        done = self.world.now()
        if session_id != self.id:
            self.world.facts.append(Fact("end", self.id, begun, done))
            self.world.successors[self.id] = session_id
        self.world.facts.append(Fact(self.deed, session_id, begun, done, frozenset(self.pending)))
        self.id, self.deed, self.pending = session_id, "store", set()

    async def count(self, connection, turn) -> bool:
        begun = self.world.now()
        try:
            await increment(connection, "counter")
        except SessionGone:
            return False
        self.world.facts.append(Fact("count", self.id, begun, self.world.now()))
        return True

    async def sign_in(self, connection, turn) -> bool:
        await sign_in(connection, "ada")
        self.deed = "sign in"
        return True

    async def regenerate(self, connection, turn) -> bool:
        regenerate_session_id(connection)
        return True

    async def clear(self, connection, turn) -> bool:
        connection.session.clear()
        self.pending, self.deed = set(), "wipe"
        if self.chooser.random() < 0.5:
            await self.put(connection, "farewell")
        return False

    async def destroy(self, connection, turn) -> bool:
        begun = self.world.now()
        await (sign_out(connection) if turn else self.handler.destroy())
        self.world.facts.append(Fact("end", self.id, begun, self.world.now()))
        self.world.facts.append(Fact("logout", self.id, begun, self.world.now()))
        self.handler = None
        return False


async def interleave(world: World) -> None:
    """Let several requests and perhaps a job work on one session at once."""

    async def begin(connection):
        await load_session(connection)
        connection.session["base"] = 0
        if world.chooser.random() < 0.5:
            await sign_in(connection, "ada")

    async def job():
        for _ in range(world.chooser.randint(0, 12)):
            await asyncio.sleep(0)
        begun = world.now()
        await revoke_all_sessions(world.store, "ada")
        world.facts.append(Fact("revoke", "", begun, world.now()))

    begun = world.now()
    await world.request(begin)
    world.facts.append(Fact("sign in", world.cookie, begun, world.now(), frozenset({"base"})))
    jobs = [job()] if world.chooser.random() < 0.3 else []
    await asyncio.gather(*(Visit(world, number)() for number in range(world.chooser.randint(2, 5))), *jobs)


async def survivors(store: SessionStore) -> dict[str, dict]:
    """Return the documents of all sessions in the store, by id."""
    if isinstance(store, InMemoryStore):
        ids = list(store.data)
    else:
        keys = await store._client().keys(f"{PREFIX}*")
        ids = [key.removeprefix(PREFIX) for key in map(bytes.decode, keys) if is_generated_id(key.removeprefix(PREFIX))]
    return {session_id: json.loads(await store.read(session_id, 3600)) for session_id in ids}


async def check(world: World, left: dict[str, dict]) -> None:
    """Assert that what is left agrees with everything that was acknowledged."""
    ended = {fact.session_id: fact.done for fact in reversed(world.of("end"))}
    assert not ended.keys() & left.keys(), "an ended session is there"
    for fact in world.of("store", "count", "sign in", "wipe"):
        assert fact.begun < ended.get(fact.session_id, fact.done), "an ended session was stored again"
    for fact in world.of("logout"):
        assert not world.later_ids(fact.session_id) & left.keys(), "a logout was undone by a new id"
    for cookie, begun in world.sent:
        assert begun < ended.get(cookie, begun + 1), "the cookie of an ended session was sent"
    assert len(left) <= 1, "one session became two"
    assert left or world.of("end", "logout", "revoke"), "a session is lost that nobody ended"
    for session_id, document in left.items():
        check_content(world, document)
        user = document["__metadata__"].get("user")
        listed = [session.handle for session in await list_sessions(world.store, "ada")]
        assert listed == ([hash_id(session_id)] if user else []), "the user's list is wrong"


def check_content(world: World, document: dict) -> None:
    """Assert that the session has all that was stored in it since it was last emptied, and nothing from before."""
    wipes, metadata = world.of("wipe"), document["__metadata__"]
    for fact in world.of("store", "sign in", "wipe"):
        if all(wipe.done < fact.begun for wipe in wipes if wipe is not fact):
            assert fact.keys <= document.keys(), "something stored is lost"
        if any(fact.done < wipe.begun for wipe in wipes):
            assert not fact.keys & document.keys(), "something emptied is back"
    if not wipes:
        assert document.get("counter", 0) == len(world.of("count")), "the counter is wrong"
    if "user" in metadata:
        signed_in = max(fact.done for fact in world.of("sign in"))
        assert all(fact.begun < signed_in for fact in world.of("wipe", "revoke")), "a logout was undone"


@pytest.fixture(params=["redis", "memory"])
def client(request):
    """The client of the Redis whose store is tried, None for the store in memory."""
    return request.getfixturevalue("redis_client") if request.param == "redis" else None


@pytest.mark.parametrize("batch", range(BATCHES))
async def test_random_interleavings(client, batch):
    """Storing, counting, signing in, new ids, logouts and revocations at once: what was acknowledged is what is left."""
    for number in range(batch, TOTAL if client else TOTAL // 5, BATCHES):
        if client:
            await client.flushdb()
        store = RedisStore(connection=client) if client else InMemoryStore()
        world = World(store, random.Random(number))
        await interleave(world)
        try:
            await check(world, await survivors(store))
        except AssertionError as error:
            error.add_note(f"interleaving {number}: " + "\n".join(map(str, world.facts)))
            raise
