"""The contract that this package ships for stores, over every kind of store."""

import time

import pytest

from starsessions import CookieStore, InMemoryStore, SessionStore
from starsessions.stores.base import StoreTraits
from starsessions.stores.redis import RedisStore
from starsessions.testing import SessionStoreContract


class TestInMemoryStore(SessionStoreContract):
    @pytest.fixture
    def store(self):
        return InMemoryStore()


class TestCookieStore(SessionStoreContract):
    @pytest.fixture
    def store(self):
        return CookieStore("a-key-long-enough-for-signing-cookies-1")


class TestRedisStore(SessionStoreContract):
    @pytest.fixture
    def store(self, redis_client):
        return RedisStore(connection=redis_client)

    @pytest.fixture
    def advance(self, redis_client):
        """The server's clock cannot be moved, but every key can be brought nearer to its end."""

        async def advance(seconds):
            async for key in redis_client.scan_iter():
                left = await redis_client.pttl(key)
                await redis_client.pexpire(key, left - round(seconds * 1000))

        return advance


class SmallestStore(SessionStore):
    """The three methods that every store has."""

    def __init__(self):
        self.records = {}

    async def read(self, session_id, lifetime):
        return self.records.get(session_id, b"")

    async def write(self, session_id, data, lifetime, ttl):
        self.records[session_id] = data
        return session_id

    async def remove(self, session_id):
        self.records.pop(session_id, None)


class TestSmallestStore(SessionStoreContract):
    @pytest.fixture
    def store(self):
        return SmallestStore()


class NumberingStore(SmallestStore):
    """A store that chooses the ids itself and lets its records expire, by a clock of its own."""

    traits = StoreTraits(expires=True)

    def __init__(self):
        super().__init__()
        self.now = time.time()

    async def read(self, session_id, lifetime):
        end, data = self.records.get(session_id, (0, b""))
        return data if end > self.now else b""

    async def write(self, session_id, data, lifetime, ttl):
        known = session_id in self.records
        new_id = session_id if known else f"number-{len(self.records)}"
        self.records[new_id] = (self.now + (ttl or 7200), data)
        return new_id


class TestNumberingStore(SessionStoreContract):
    @pytest.fixture
    def store(self):
        return NumberingStore()

    @pytest.fixture
    def advance(self, store):
        def advance(seconds):
            store.now += seconds

        return advance
