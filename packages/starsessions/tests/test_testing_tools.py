"""What the package ships for tests: the stores' contract finds broken stores, time moves, sessions are ready made."""

import datetime as dt
import time

import pytest

from starsessions.testing import session_cookies

pytest_plugins = ["pytester"]

BROKEN_STORE = """
import pytest
from starsessions import SessionStore
from starsessions.stores.base import StoreTraits
from starsessions.stores.user_index import MemoryUserIndex
from starsessions.testing import SessionStoreContract

class Store(SessionStore):
    traits = StoreTraits({traits})

    def __init__(self):
        self.records = {{}}

    async def read(self, session_id, lifetime):
        {read}

    async def write(self, session_id, data, lifetime, ttl):
        {write}

    async def remove(self, session_id):
        {remove}

    {more}

class Index(MemoryUserIndex):
    {index}

class TestStore(SessionStoreContract):
    @pytest.fixture
    def store(self):
        return Store()
"""
GOOD = {
    "traits": "",
    "read": 'return self.records.get(session_id, b"")',
    "write": "self.records[session_id] = data; return session_id",
    "remove": "self.records.pop(session_id, None)",
    "more": "pass",
    "index": "pass",
}
# The store lists its users' sessions as well.
LISTING = "@property\n    def users(self):\n        if not hasattr(self, '_users'):\n            self._users = Index("
LISTING += "self.records.__contains__, lambda key: self.records.pop(key, None))\n        return self._users"


def run(pytester, *options):
    """Run pytest on the file that was made; the plugins that want a say in coroutine tests stay out."""
    return pytester.runpytest_inprocess("-q", "-p", "no:asyncio", *options)


@pytest.mark.parametrize(
    "test, fault, message",
    [
        ("new_id", {"read": "return self.records.get(session_id)"}, "read() of an unknown id must return b'', not None"),
        ("kept_apart", {"read": 'return self.records.get(session_id.lower(), b"")'}, "must find nothing, but found the record of"),
        ("returns_the_id", {"write": "self.records[session_id] = data"}, "write() must return the id as text, not None"),
        ("come_back", {"write": "self.records[session_id] = data.strip(); return session_id"}, "write() was given b"),
        ("again_replaces", {"write": "self.records.setdefault(session_id, data); return session_id"}, "must return its data, not b'first'"),
        ("not_there", {"remove": "del self.records[session_id]"}, "remove() of a missing record must do nothing, but it raised KeyError"),
        ("removed_records", {"remove": "self.records.clear()"}, "remove() took another session's record along"),
        ("removed_records", {"remove": "pass"}, "after remove(), read() must return b'', not b'mine'"),
        ("end_after", {"traits": "expires=True"}, "traits.expires promises b'' after a ttl of 600 s"),
        ("swapping", {"traits": "compares=True"}, "NotImplementedError: Store says that it compares, but does not implement swap()"),
        (
            "returns_the_id",
            {"traits": "keeps_ids=True", "write": "self.records[session_id + 'x'] = data; return session_id + 'x'"},
            "traits.keeps_ids promises the id",
        ),
        ("forged", {"more": "def accepts_id(self, session_id): return True"}, "must be False"),
        (
            "what_has_changed",
            {"traits": "compares=True", "more": "async def swap(self, session_id, data, *a, **k): self.records[session_id] = data"},
            "swap() must return the record that is there now, not None",
        ),
        ("are_listed", {"more": LISTING, "index": "async def entries(self, user): return []"}, "must return what was put, not []"),
        (
            "revoking_the_chosen",
            {"more": LISTING, "index": "async def revoke(self, user, chosen): return await super().revoke(user, lambda _: True)"},
            "one of the chosen sessions was there, revoke() returned 3",
        ),
        (
            "leave_the_list",
            {"more": LISTING, "index": "async def entries(self, user): return [*self._users.get(user, {}).values()]"},
            "entries() must not return sessions that are gone",
        ),
    ],
)  # fmt: skip
def test_the_contract_finds_broken_stores(pytester, test, fault, message):
    """A store that breaks a promise fails the contract, and the message says which one and how."""
    pytester.makepyfile(BROKEN_STORE.format(**GOOD | fault))
    result = run(pytester, "-k", test)
    assert result.parseoutcomes().get("failed", 0) >= 1
    assert message in result.stdout.str()


@pytest.mark.parametrize(("more", "passed"), [("pass", 30), (LISTING, 37)], ids=["smallest", "with lists"])
def test_a_good_store_passes(pytester, more, passed):
    """A store that keeps its promises passes; what it does not promise is skipped with the reason."""
    pytester.makepyfile(BROKEN_STORE.format(**GOOD | {"more": more}))
    result = run(pytester, "-rs")
    outcomes = result.parseoutcomes()
    assert (outcomes.get("failed", 0), outcomes.get("errors", 0)) == (0, 0)
    assert outcomes["passed"] >= passed
    result.stdout.fnmatch_lines(["*does not apply to this store: traits.renews*"])


def test_the_fixture_store_is_asked_for(pytester):
    """A class without the fixture `store` is told to define it."""
    pytester.makepyfile(
        "from starsessions.testing import SessionStoreContract\nclass TestMine(SessionStoreContract): pass"
    )
    run(pytester, "-k", "new_id").stdout.fnmatch_lines(["*Define a fixture `store` in your class*"])


def test_time_moves(session_time):
    """`session_time` moves the clocks that stores read, by seconds or by a timedelta."""
    before, before_ns = time.time(), time.time_ns()
    session_time.advance(60)
    session_time.advance(dt.timedelta(hours=1))
    assert 3660 <= time.time() - before < 3670
    assert 3660 <= (time.time_ns() - before_ns) / 1e9 < 3670


@pytest.mark.anyio
async def test_ready_sessions(make_site, store):
    """`session_cookies` makes a session without a login, and an application with the same options finds it."""
    site = make_site(store, lifetime=60, cookie_name="sid")
    async with site.visitor() as visitor:
        visitor.cookies.update(await session_cookies(store, {"name": "Ada"}, lifetime=60, cookie_name="sid"))
        assert (await visitor.get("/show")).json() == {"name": "Ada"}
