"""Requests at the same time: nothing is lost, nothing is revived."""

import asyncio
import logging

import pytest
from redis.asyncio import Redis
from starlette.requests import HTTPConnection

from starsessions import InMemoryStore, JsonSerializer, generate_session_id, load_session
from starsessions.encryptors import AESGCMEncryptor
from starsessions.exceptions import SessionGone
from starsessions.middleware import LoadGuard
from starsessions.session import SessionHandler
from starsessions.stores.redis import RedisStore
from starsessions.updates import increment, update_session
from starsessions.users import get_user_id, sign_in

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "redis", "redis, encrypted"])
def shared(request):
    """A store that compares, and how records are encrypted in it."""
    if request.param == "memory":
        return InMemoryStore(), None
    client = request.getfixturevalue("redis_client")
    return RedisStore(connection=client), AESGCMEncryptor(b"k" * 32) if "encrypted" in request.param else None


def open_session(shared, session_id):
    """Return a request's connection to a session, not loaded yet."""
    store, encryptor = shared
    connection = HTTPConnection({"type": "http", "path": "/", "headers": [], "session": LoadGuard()})
    connection.scope["session_handler"] = SessionHandler(
        connection, session_id, store, JsonSerializer(), encryptor, 3600, rolling=False
    )
    return connection


def handler_of(connection):
    return connection.scope["session_handler"]


async def begun(shared, session_id):
    connection = open_session(shared, session_id)
    await load_session(connection)
    return connection


async def stored(shared, **data):
    """Store a session; return its id."""
    connection = await begun(shared, None)
    connection.session.update(data)
    return await handler_of(connection).save()


async def contents(shared, session_id):
    return dict((await begun(shared, session_id)).session)


async def test_disjoint_keys_survive(shared):
    """Two requests that change different keys of one session both have their changes stored, also deep inside."""
    session_id = await stored(shared, cart=[1], name="Ada", gone=1, both=0)
    one, two = await begun(shared, session_id), await begun(shared, session_id)
    one.session["cart"].append(2)
    del one.session["gone"]
    one.session["both"] = 1
    two.session["name"] = "Bob"
    two.session["both"] = 2
    await one.session.save()
    assert await two.session.save() == session_id
    assert two.session == {"cart": [1, 2], "name": "Bob", "both": 2}
    assert await contents(shared, session_id) == {"cart": [1, 2], "name": "Bob", "both": 2}


async def test_saving_again_after_a_conflict(shared):
    """What a conflict brought into the session is not taken for a change of this request later."""
    session_id = await stored(shared, a=0, b=0)
    one, two = await begun(shared, session_id), await begun(shared, session_id)
    one.session["a"] = 1
    await one.session.save()
    two.session["b"] = 1
    await two.session.save()
    one.session["a"] = 2
    await one.session.save()
    two.session["c"] = 1
    await two.session.save()
    assert await contents(shared, session_id) == {"a": 2, "b": 1, "c": 1}


@pytest.mark.parametrize("pair", [(1, True), (1, 1.0), ([1], [True])], ids=str)
async def test_values_that_are_equal_and_not_the_same(shared, pair):
    """A change from 1 to True is a change."""
    session_id = await stored(shared, a=pair[0], b=0)
    one, two = await begun(shared, session_id), await begun(shared, session_id)
    one.session["a"] = pair[1]
    two.session["b"] = 1
    await two.session.save()
    await one.session.save()
    assert repr((await contents(shared, session_id))["a"]) == repr(pair[1])


@pytest.mark.parametrize("ending", ["destroy", "clear", "regenerate"])
async def test_an_ended_session_is_not_revived(shared, ending, caplog):
    """A slow request does not bring a session back that another one ended or renamed; the log says so."""
    session_id = await stored(shared, user="ada")
    slow, quick = await begun(shared, session_id), await begun(shared, session_id)
    if ending == "destroy":
        await handler_of(quick).destroy()
    elif ending == "clear":
        quick.session.clear()
        await quick.session.save()
    else:
        handler_of(quick).regenerate_id()
        await quick.session.save()
    slow.session["more"] = 1
    with caplog.at_level(logging.WARNING, logger="starsessions"):
        assert await slow.session.save() == ""
    assert slow.session == {}
    assert [record.event for record in caplog.records] == ["session.gone"]
    assert session_id not in caplog.text
    assert await contents(shared, session_id) == {}
    slow.session["again"] = 1
    assert await slow.session.save() == ""


async def test_regenerating_keeps_what_others_stored(shared):
    """A new id takes along what another request has stored since, and the old id is gone."""
    session_id = await stored(shared, a=1)
    login, other = await begun(shared, session_id), await begun(shared, session_id)
    other.session["b"] = 1
    await other.session.save()
    handler_of(login).regenerate_id()
    login.session["user"] = "ada"
    new_id = await login.session.save()
    assert await contents(shared, session_id) == {}
    assert await contents(shared, new_id) == {"a": 1, "b": 1, "user": "ada"}


async def test_only_one_of_two_logins_renames(shared):
    """Of two requests that regenerate one session at once, one gets it."""
    session_id = await stored(shared, a=1)
    connections = [await begun(shared, session_id) for _ in range(2)]
    for connection in connections:
        handler_of(connection).regenerate_id()
    ids = await asyncio.gather(*(connection.session.save() for connection in connections))
    assert sorted(map(bool, ids)) == [False, True]


async def test_removing_the_last_key_leaves_what_others_stored(shared):
    """A request that takes out the only key it knows of does not end a session that has got another one since."""
    session_id = await stored(shared, flash="hello")
    reader, writer = await begun(shared, session_id), await begun(shared, session_id)
    writer.session["cart"] = [1]
    await writer.session.save()
    del reader.session["flash"]
    assert await reader.session.save() == session_id
    assert await contents(shared, session_id) == {"cart": [1]}
    last = await begun(shared, session_id)
    del last.session["cart"]
    assert await last.session.save() == ""
    assert await contents(shared, session_id) == {}


@pytest.mark.parametrize("how", ["clear", "replace"])
async def test_starting_over_drops_what_others_stored(shared, how):
    """A session that is emptied and filled anew holds nothing that another request put into it meanwhile."""
    session_id = await stored(shared, user="ada")
    login, other = await begun(shared, session_id), await begun(shared, session_id)
    other.session["secret of ada"] = 1
    await other.session.save()
    if how == "clear":
        login.session.clear()
        login.session["user"] = "bob"
    else:
        login.scope["session"] = {"user": "bob"}
    await handler_of(login).save()
    assert await contents(shared, session_id) == {"user": "bob"}


async def test_an_unreadable_record_is_not_overwritten(shared, caplog):
    """A record that turned into something unreadable while a request worked on it is left alone."""
    session_id = await stored(shared, a=1)
    connection = await begun(shared, session_id)
    await shared[0].write(session_id, b"\xff", lifetime=3600, ttl=3600)
    connection.session["a"] = 2
    assert await connection.session.save() == ""
    assert await shared[0].read(session_id, lifetime=3600) == b"\xff"


async def test_fifty_increments_at_once(shared):
    """Fifty requests that count at the same time count to fifty, each getting a number of its own."""
    session_id = await stored(shared, n=0)
    connections = [await begun(shared, session_id) for _ in range(50)]
    sums = await asyncio.gather(*(increment(connection, "n") for connection in connections))
    assert sorted(sums) == list(range(1, 51))
    assert await contents(shared, session_id) == {"n": 50}


async def test_an_update_commits_only_itself(shared):
    """An update is stored at once; the request's other changes stay pending and its own view is brought up to date."""
    session_id = await stored(shared, n=1, a=1)
    request, other = await begun(shared, session_id), await begun(shared, session_id)
    other.session["theirs"] = 1
    await other.session.save()
    request.session["a"] = "pending"
    assert await increment(request, "n", by=5) == 6
    assert await contents(shared, session_id) == {"n": 6, "a": 1, "theirs": 1}
    assert request.session == {"n": 6, "a": "pending", "theirs": 1}
    await request.session.save()
    assert await contents(shared, session_id) == {"n": 6, "a": "pending", "theirs": 1}


async def test_what_an_update_may_do(shared):
    """An update returns what the function returns, may remove keys, and stores nothing if the function raises."""
    session_id = await stored(shared, queue=[1, 2], junk=1)
    request = await begun(shared, session_id)

    def take(session):
        session.pop("junk", None)
        return session["queue"].pop()

    assert await update_session(request, take) == 2
    assert request.session == {"queue": [1]}
    with pytest.raises(ZeroDivisionError):
        await update_session(request, lambda session: session.clear() or 1 / 0)
    assert await contents(shared, session_id) == {"queue": [1]}
    with pytest.raises(TypeError, match="'queue' holds a list"):
        await increment(request, "queue")


async def test_updating_a_session_that_is_gone(shared):
    """An update of a session that was ended raises SessionGone, at once and from then on."""
    session_id = await stored(shared, n=1)
    request = await begun(shared, session_id)
    await shared[0].remove(session_id)
    for _ in range(2):
        with pytest.raises(SessionGone):
            await increment(request, "n")
    assert await contents(shared, session_id) == {}


async def test_updating_a_new_session(shared):
    """An update of a session that was never stored stores it."""
    request = await begun(shared, None)
    request.session["n"] = 1
    assert await increment(request, "n") == 2
    assert await contents(shared, handler_of(request).session_id) == {"n": 2}


async def test_updates_work_with_every_store(make_site, store):
    """Counting works with stores that cannot compare as well, one request after the other."""
    from starlette.responses import JSONResponse

    site = make_site(store, lifetime=60)

    @site.view
    async def count(request):
        return JSONResponse(await increment(request, "n"))

    async with site.visitor() as visitor:
        assert [(await visitor.get("/count")).json() for _ in range(3)] == [1, 2, 3]
        assert (await visitor.get("/show")).json() == {"n": 3}


async def test_a_chosen_id_that_two_requests_create(redis_client: Redis):
    """Two requests that both create the session of an id the application chose keep both their keys."""
    store, session_id = RedisStore(connection=redis_client), generate_session_id()

    async def create(key):
        connection = open_session((store, None), None)
        handler_of(connection).session_id = session_id
        await load_session(connection)
        connection.session[key] = 1
        return connection

    connections = [await create(key) for key in "ab"]
    for connection in connections:
        await connection.session.save()
    assert await contents((store, None), session_id) == {"a": 1, "b": 1}


@pytest.mark.parametrize("late", ["save", "increment"])
async def test_a_user_who_was_signed_out_stays_signed_out(shared, late):
    """A logout that leaves something in the session, a message for example, is not undone by a slow request."""
    request = await begun(shared, None)
    await sign_in(request, "ada")
    request.session["cart"] = [1]
    session_id = await request.session.save()
    slow, logout = await begun(shared, session_id), await begun(shared, session_id)
    logout.session.clear()
    logout.session["message"] = "Goodbye"
    assert await logout.session.save() == session_id
    if late == "save":
        slow.session["late"] = 1
        assert await slow.session.save() == ""
    else:
        with pytest.raises(SessionGone):
            await increment(slow, "late")
    assert slow.session == {}
    left = await begun(shared, session_id)
    assert (get_user_id(left), left.session) == (None, {"message": "Goodbye"})


@pytest.mark.parametrize("first", ["deletes", "changes"])
async def test_what_was_taken_out_stays_out(shared, first):
    """Of a key that one request deletes and another one changes nothing is left, whoever is first: it may be a login."""
    session_id = await stored(shared, login={"name": "ada", "seen": 1}, other=1)
    deleting, changing = await begun(shared, session_id), await begun(shared, session_id)
    del deleting.session["login"]
    changing.session["login"]["seen"] = 2
    for request in (deleting, changing) if first == "deletes" else (changing, deleting):
        await request.session.save()
    assert await contents(shared, session_id) == {"other": 1}


async def test_tasks_of_one_request_store_in_turn(shared):
    """Two tasks of a request that give the session a new id and store it leave one session, which both see."""
    session_id = await stored(shared, a=1)
    connection = await begun(shared, session_id)
    new_id = handler_of(connection).regenerate_id()
    connection.session["b"] = 2
    assert await asyncio.gather(*(connection.session.save() for _ in range(3))) == [new_id] * 3
    assert connection.session == await contents(shared, new_id) == {"a": 1, "b": 2}
    assert await contents(shared, session_id) == {}


async def test_tasks_of_one_request_create_one_session(shared):
    """Two tasks of a request that store a new session at the same time make one session."""
    connection = await begun(shared, None)
    connection.session["a"] = 1
    first, second = await asyncio.gather(connection.session.save(), increment(connection, "n"))
    assert second == 1
    assert await contents(shared, first) == {"a": 1, "n": 1}
    assert handler_of(connection).session_id == first
