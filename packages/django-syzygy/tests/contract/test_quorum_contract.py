"""What every quorum backend does, over each of them in this process."""

import json
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pymysql
import pytest
from django.core.cache import caches
from django.db import connections
from django.test import override_settings
from project import mariadb_settings, postgres_settings

from syzygy.quorum import QuorumDisolved, QuorumDissolved
from syzygy.quorum.backends.cache import CacheQuorum
from syzygy.quorum.backends.database import DatabaseQuorum
from syzygy.quorum.backends.postgres import PostgresQuorum
from syzygy.quorum.exceptions import MembershipLost, QuorumError

PATIENCE = 60  # seconds; nothing here waits for a sign of life to fade
pymysql.install_as_MySQLdb()


def cache_settings(request, kind):
    backends = "django.core.cache.backends"
    if kind == "locmem":
        return {"BACKEND": f"{backends}.locmem.LocMemCache", "LOCATION": uuid.uuid4().hex}
    if kind == "redis":
        return {"BACKEND": f"{backends}.redis.RedisCache", "LOCATION": request.getfixturevalue("redis_url")}
    return {
        "BACKEND": f"{backends}.memcached.PyMemcacheCache",
        "LOCATION": request.getfixturevalue("memcached"),
        "KEY_PREFIX": uuid.uuid4().hex,
    }


SERVERS = {
    "postgres": (PostgresQuorum, postgres_settings, "postgres_database", {}),
    "table in postgres": (DatabaseQuorum, postgres_settings, "postgres_database", {"member_timeout": PATIENCE}),
    "table in mariadb": (DatabaseQuorum, mariadb_settings, "mariadb_database", {"member_timeout": PATIENCE}),
}


@pytest.fixture(params=["locmem", "redis", "memcached", *SERVERS])
def backends(request, django_db_blocker):
    """Make backends that share one storage, as processes on several hosts do."""
    made = []

    def make(backend_class, **options):
        made.append(backend_class(**options))
        return made[-1]

    if request.param in SERVERS:
        backend_class, settings, database, options = SERVERS[request.param]
        url = request.getfixturevalue(database)
        connections.settings["quorum"] = {**connections.settings["default"], **settings(url)}
        with django_db_blocker.unblock():
            yield lambda: make(backend_class, alias="quorum", **options)
            for backend in made:
                backend.close()
            connections["quorum"].close()
        del connections["quorum"], connections.settings["quorum"]
        return
    with override_settings(CACHES={"default": cache_settings(request, request.param)}):
        yield lambda: make(CacheQuorum, member_timeout=PATIENCE)
        for backend in made:
            backend.close()
        caches["default"].close()


@pytest.mark.parametrize("quorum", [1, 2, 3, 5])
def test_the_last_to_join_leads(backends, quorum):
    """Exactly the member with which the quorum is attained is told so; the others learn it by asking."""
    members = [backends() for _ in range(quorum)]
    for member in members[:-1]:
        assert member.join("space", quorum) is False
        assert member.poll("space", quorum) is False
    assert members[-1].join("space", quorum) is True
    for member in members[:-1]:
        assert member.poll("space", quorum) is True


def test_used_again_when_all_know(backends):
    """A namespace is free for the next quorum as soon as everybody has asked."""
    one, two = backends(), backends()
    for _ in range(3):
        assert one.join("space", 2) is False
        assert two.join("space", 2) is True
        assert one.poll("space", 2) is True


def test_severed(backends):
    """After somebody severs the quorum each member that asks is told so, and then the namespace is free."""
    one, two, three = backends(), backends(), backends()
    for _ in range(2):
        assert one.join("space", 3) is False
        assert two.join("space", 3) is False
        three.sever("space", 3)
        for member in (one, two):
            with pytest.raises(QuorumDissolved):
                member.poll("space", 3)
    assert QuorumDisolved is QuorumDissolved


def test_severed_before_joining(backends):
    """Who joins a severed quorum does not lead, and learns of it by asking."""
    one, two = backends(), backends()
    two.sever("space", 2)
    assert one.join("space", 2) is False
    with pytest.raises(QuorumDissolved):
        one.poll("space", 2)
    assert one.join("space", 2) is False
    assert two.join("space", 2) is True


def test_namespaces_are_apart(backends):
    """Members of one namespace do not count in another."""
    one, two = backends(), backends()
    assert one.join("space", 2) is False
    assert two.join("other", 2) is False
    assert one.poll("space", 2) is False


def test_leaving(backends):
    """A member that left does not count."""
    one, two, three = backends(), backends(), backends()
    assert one.join("space", 2) is False
    one.leave("space", 2)
    assert two.join("space", 2) is False
    assert two.others_waiting("space", 2) == 0
    assert three.join("space", 2) is True


def test_gone(backends):
    """A member whose process is gone does not count."""
    one, two, three = backends(), backends(), backends()
    assert one.join("space", 2) is False
    one.close()
    assert two.join("space", 2) is False
    assert three.join("space", 2) is True


def test_leader_alive(backends):
    """Members can tell whether the one that leads still works."""
    one, two = backends(), backends()
    assert one.join("pre:space", 2) is False
    assert one.leader_alive("pre:space", 2) is None
    assert two.join("pre:space", 2) is True
    assert one.poll("pre:space", 2) is True
    assert one.leader_alive("pre:space", 2) is True
    two.close()
    assert one.leader_alive("pre:space", 2) is False


def test_one_leader_at_a_time(backends):
    """While a leader works, more processes than the quorum asks for only become followers."""
    one, two, *late = (backends() for _ in range(4))
    one.join("pre:space", 2)
    assert two.join("pre:space", 2) is True
    assert one.poll("pre:space", 2) is True
    for process in late:
        assert process.join("pre:space", 2) is False
        assert process.poll("pre:space", 2) is True
    two.leave("pre:space", 2)
    assert one.join("pre:space", 2) is False
    assert late[0].join("pre:space", 2) is True


def test_turns(backends):
    """One process at a time has its turn, until it leaves or is gone."""
    one, two = backends(), backends()
    assert one.join("run:default", 1) is True
    assert two.join("run:default", 1) is False
    two.leave("run:default", 1)
    one.leave("run:default", 1)
    assert two.join("run:default", 1) is True
    two.close()
    assert one.join("run:default", 1) is True


def test_stale_outcome_is_forgotten(backends):
    """What a failed run left unread in the second namespace is no news to the next run."""
    one, two, three = backends(), backends(), backends()
    two.sever("post:space", 3)
    for member in (one, two):
        assert member.join("pre:space", 3) is False
    assert three.join("pre:space", 3) is True
    assert one.join("post:space", 3) is False
    assert one.poll("post:space", 3) is False


@pytest.mark.parametrize("quorum", [2, 8])
def test_threads(backends, quorum):
    """Threads that share one backend are members each; exactly one leads and all the others learn of it."""
    backend = backends()
    barrier = threading.Barrier(quorum)

    def take_part():
        barrier.wait(60)
        if backend.join("space", quorum):
            return "leads"
        while not backend.poll("space", quorum):
            threading.Event().wait(0.02)
        return "follows"

    with ThreadPoolExecutor(quorum) as pool:
        parts = [future.result(60) for future in [pool.submit(take_part) for _ in range(quorum)]]
    assert sorted(parts) == ["follows"] * (quorum - 1) + ["leads"]


def test_clocks_that_differ(backends, monkeypatch, request):
    """A host whose clock is an hour ahead takes the others for no less alive than they are."""
    if "locmem" in request.node.name:
        pytest.skip("a cache in the memory of one process knows no other host")
    one, two, three = backends(), backends(), backends()
    assert one.join("pre:space", 3) is False
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 3600)
    assert two.join("pre:space", 3) is False
    assert two.others_waiting("pre:space", 3) == 1
    monkeypatch.setattr(time, "time", lambda: now() - 3600)
    assert three.join("pre:space", 3) is True
    assert one.poll("pre:space", 3) is True
    assert one.leader_alive("pre:space", 3) is True


def emptied(backend):
    """What a failover to an empty replica, an eviction or a restart does."""
    if isinstance(backend, CacheQuorum):
        backend.cache.clear()
        return
    table = "syzygy_quorum" if isinstance(backend, PostgresQuorum) else "syzygy_quorum_entry"
    with connections["quorum"].cursor() as cursor:
        cursor.execute(f"DELETE FROM {table}")


def test_a_storage_that_forgets(backends):
    """Who waited in a quorum that its storage lost is told to start again; it never leads beside somebody else."""
    one, two, three = backends(), backends(), backends()
    assert one.join("pre:space", 2) is False
    emptied(one)
    assert two.join("pre:space", 2) is False
    with pytest.raises(MembershipLost, match="no longer a member"):
        one.poll("pre:space", 2)
    assert three.join("pre:space", 2) is True
    assert two.poll("pre:space", 2) is True


def test_a_cache_that_loses_the_leader_s_sign_of_life(backends):
    """A leader whose sign of life a cache evicted is not given up at once: it gives the next one soon."""
    one, two = backends(), backends()
    if not isinstance(one, CacheQuorum):
        pytest.skip("a database evicts nothing")
    one.join("pre:space", 2)
    assert two.join("pre:space", 2) is True
    assert one.poll("pre:space", 2) is True
    (token,) = two._living
    one.cache.delete(one._key(f"alive:{token}"))
    assert one.leader_alive("pre:space", 2) is True
    one.member_timeout = 0
    assert one.leader_alive("pre:space", 2) is False


def stands_still_once(backend, monkeypatch, meanwhile=lambda: None):
    """Let a backend stand still, where it would store what it changed, until its lock has expired."""
    exclusive, stood = backend._exclusive, []

    @contextmanager
    def standing_still(namespace):
        with exclusive(namespace) as slot:
            yield slot
            if not stood and namespace == "pre:space":
                stood.append(namespace)
                backend.cache.delete(f"{backend._key(namespace)}:lock")
                meanwhile()

    monkeypatch.setattr(backend, "_exclusive", standing_still)


def test_standing_still_with_the_lock(backends, monkeypatch):
    """A member that stood still until others took its lock over stores nothing, and asks again."""
    one, two = backends(), backends()
    if not isinstance(one, CacheQuorum):
        pytest.skip("the lock of a database does not expire")
    one.join("pre:space", 2)
    two.join("pre:space", 2)
    stands_still_once(one, monkeypatch)
    assert one.poll("pre:space", 2) is True
    assert one.leader_alive("pre:space", 2) is True


def test_standing_still_while_somebody_else_leads(backends, monkeypatch):
    """A process that would have led, and stood still until another one did, follows."""
    one, two, three = (backends() for _ in range(3))
    if not isinstance(one, CacheQuorum):
        pytest.skip("the lock of a database does not expire")
    one.join("pre:space", 2)
    stands_still_once(two, monkeypatch, lambda: led.append(three.join("pre:space", 2)))
    led = []
    assert two.join("pre:space", 2) is False
    assert led == [True]
    assert two.poll("pre:space", 2) is True


HOSTILE = [
    "a word",
    ["a", "list"],
    {"held": True},
    {"held": True, "identity": "x", "members": ["x"], "outcome": None, "leader": None, "told_severed": 0},
    {"held": True, "identity": "x", "members": {}, "outcome": None, "leader": {"a": 1}, "told_severed": 0},
]


@pytest.mark.parametrize("value", HOSTILE)
def test_what_others_wrote(backends, value):
    """Whatever else is found where a round should be is refused by name, and starts nothing."""
    one = backends()
    assert one.join("pre:space", 2) is False
    overwrite(one, value)
    with pytest.raises(QuorumError, match="was not written by"):
        one.poll("pre:space", 2)


def overwrite(backend, value):
    if isinstance(backend, CacheQuorum):
        backend.cache.set(backend._key("pre:space"), value)
        return
    table, column, key, name = "syzygy_quorum", "round", "namespace", "pre:space"
    if isinstance(backend, DatabaseQuorum):
        table, column, key, name = "syzygy_quorum_entry", "value", "key", "round:pre:space"
    quote = connections["quorum"].ops.quote_name
    with connections["quorum"].cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {quote(column)} = %s WHERE {quote(key)} = %s", [json.dumps(value), name])
        assert cursor.rowcount == 1
