"""What RedisStore keeps, how it connects, and what it never shows."""

import json
import warnings

import pytest
from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from starlette.responses import Response

from pentad_config import Secret
from starsessions import ImproperlyConfigured, generate_session_id, get_session_handler
from starsessions.stores.base import digest_of
from starsessions.stores.redis import RedisStore, prefix_factory

pytestmark = pytest.mark.anyio


async def test_key_and_document(make_site, redis_client):
    """A session is a JSON object under the prefix and the id, with the rest of its lifetime as time to live."""
    site = make_site(RedisStore(connection=redis_client), lifetime=3600)
    async with site.visitor() as visitor:
        await visitor.get("/update?name=Ada")
        key = "starsessions." + visitor.cookies["session"]
    document = json.loads(await redis_client.get(key))
    assert document.pop("__metadata__").keys() == {"created", "last_access", "lifetime"}
    assert document == {"name": "Ada"}
    assert 3500 <= await redis_client.ttl(key) <= 3600


@pytest.mark.parametrize(("lifetime", "ttl", "expected"), [(0, 0, 3600), (6000, 3000, 3000), (60, 0, 1), (60, -5, 1)])
async def test_time_to_live(redis_client, lifetime, ttl, expected):
    """The time to live is what is left of the lifetime, at least a second, or gc_ttl without a lifetime."""
    store = RedisStore(connection=redis_client, gc_ttl=3600)
    await store.write("some-id", b"{}", lifetime=lifetime, ttl=ttl)
    assert expected - 100 <= await redis_client.ttl("starsessions.some-id") <= expected  # this machine may be busy


def test_prefix():
    """A prefix is text before the id or a callable that makes the key."""
    assert prefix_factory("app:", "1") == "app:1"
    assert prefix_factory(lambda key: f"<{key}>", "1") == "<1>"


async def test_decoding_clients(redis_url):
    """A client that decodes answers into text works as well."""
    client = Redis.from_url(redis_url, decode_responses=True)
    store = RedisStore(connection=client)
    await store.write("some-id", '{"ä": 1}'.encode(), lifetime=60, ttl=60)
    assert await store.read("some-id", lifetime=60) == '{"ä": 1}'.encode()
    await client.aclose()


@pytest.mark.parametrize("stage", ["never", "read"])
async def test_decoding_clients_and_bytes(redis_client, redis_url, stage):
    """A record that is no text, as an encrypted one, cannot be had through such a client, and the error says why."""
    client = Redis.from_url(redis_url, decode_responses=True)
    store = RedisStore(connection=client, hash_ids=stage)
    await store.write("some-id", b"\xff", lifetime=60, ttl=60)
    for use in (store.read, store.renew):
        with pytest.raises(ImproperlyConfigured, match="decode_responses=True"):
            await use("some-id", lifetime=60)
    with pytest.raises(ImproperlyConfigured, match="decode_responses=True"):
        await store.swap("some-id", b"{}", 60, 60, old_id="some-id", digest=digest_of(b"{}"))
    await client.aclose()


async def test_url_forms(redis_url, monkeypatch):
    """A URL may be a Secret or a reference; as plain text it works with a DeprecationWarning."""
    monkeypatch.setenv("SESSION_REDIS", redis_url)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stores = [RedisStore(url=Secret(redis_url)), RedisStore("env:SESSION_REDIS")]
    with pytest.deprecated_call(match="plain URL"):
        stores.append(RedisStore(url=redis_url))
    session_id = generate_session_id()
    await stores[0].write(session_id, b"data", lifetime=60, ttl=60)
    for store in stores:
        assert await store.read(session_id, lifetime=60) == b"data"
        await store.aclose()


async def test_password_is_sent_and_not_shown(redis_client, redis_url):
    """The password of the URL is used, may change, and appears in no attribute of the store or its client."""
    host = redis_url.split("//")[1]
    password = ["first-pa/ss"]
    await redis_client.execute_command("ACL", "SETUSER", "visitor", "on", "allkeys", "allcommands", ">first-pa/ss")
    try:
        url = Secret(lambda: f"redis://visitor:{password[0].replace('/', '%2F')}@{host}", name="redis url")
        store = RedisStore(url=url)
        await store.write("some-id", b"data", lifetime=60, ttl=60)
        shown = (
            repr(vars(store)) + repr(vars(store._client())) + repr(store._client().connection_pool.connection_kwargs)
        )
        assert "first-pa" not in shown
        password[0] = "second"
        await redis_client.execute_command("ACL", "SETUSER", "visitor", "resetpass", ">second")
        await store._client().connection_pool.disconnect()
        assert await store.read("some-id", lifetime=60) == b"data"
        await store.aclose()
    finally:
        await redis_client.execute_command("ACL", "DELUSER", "visitor")


def test_one_store_in_two_event_loops(redis_url):
    """A store made from a URL connects anew in every event loop that uses it."""
    import asyncio

    store = RedisStore(url=Secret(redis_url))

    async def use():
        await store.write("some-id", b"data", lifetime=60, ttl=60)
        data = await store.read("some-id", lifetime=60)
        await store.aclose()
        return data

    assert [asyncio.run(use()), asyncio.run(use())] == [b"data", b"data"]


def test_refused_arguments(redis_url):
    """Neither URL nor connection, and a blocking client, are refused at once."""
    with pytest.raises(ImproperlyConfigured, match="Either 'url' or 'connection' arguments must be provided"):
        RedisStore()
    with BlockingRedis.from_url(redis_url) as client, pytest.raises(ImproperlyConfigured, match="redis.asyncio"):
        RedisStore(connection=client)


@pytest.mark.parametrize("lifetime", [0, 60])
async def test_other_programs_keys(make_site, redis_client, lifetime):
    """Without a prefix, keys of other programs are neither read as sessions nor changed nor given an end."""
    await redis_client.set("billing-42", '{"amount": 5}')
    await redis_client.set("billing-text", "not json")
    await redis_client.rpush("billing-list", 1)
    site = make_site(RedisStore(connection=redis_client, prefix=""), lifetime=lifetime)
    for key in ("billing-42", "billing-text", "billing-list"):
        async with site.visitor() as visitor:
            answer = await visitor.get("/show", headers={"cookie": f"session={key}"})
            assert answer.json() == {}
            answer = await visitor.get("/update?a=1", headers={"cookie": f"session={key}"})
            assert key not in answer.headers["set-cookie"]
        assert await redis_client.ttl(key) == -1
    assert await redis_client.get("billing-42") == b'{"amount": 5}'


async def test_ids_of_the_applications_choice(make_site, redis_client):
    """An application may name a session itself, before or after loading, and finds it again."""
    from starlette.responses import Response

    from starsessions import get_session_handler, load_session

    site = make_site(RedisStore(connection=redis_client), autoload=False)

    @site.view
    async def before(request):
        get_session_handler(request).session_id = "oidc-sid-1"
        await load_session(request)
        request.session["a"] = 1
        return Response()

    @site.view
    async def after(request):
        await load_session(request)
        request.session["a"] = 1
        get_session_handler(request).session_id = "oidc-sid-2"
        return Response()

    @site.view
    async def look(request):
        await load_session(request)
        return Response(str(request.session.get("a")))

    for path, name in (("/before", "oidc-sid-1"), ("/after", "oidc-sid-2")):
        async with site.visitor() as visitor:
            await visitor.get(path)
            assert visitor.cookies["session"] == name
            assert (await visitor.get("/look")).text == "1"


async def test_another_programs_list_is_not_adopted(make_site, redis_client, caplog):
    """Where unknown ids are adopted, one that names another program's list leads to no error, and not to the list."""
    await redis_client.rpush("their-list", 1)
    site = make_site(RedisStore(connection=redis_client, prefix=""), lifetime=60, strict_ids=False)
    async with site.visitor() as visitor:
        answer = await visitor.get("/update?a=1", headers={"cookie": "session=their-list"})
    assert answer.status_code == 200
    assert await redis_client.lrange("their-list", 0, -1) == [b"1"]
    assert [record.event for record in caplog.records] == ["session.gone"]


async def test_destroying_deletes_sessions_only(make_site, redis_client):
    """What a cookie names is deleted only if it is a session, also where the prefix keeps nothing apart."""
    foreign = {"billing-42": "important", "0" * 32: '{"cache": 1}'}
    await redis_client.mset(foreign)

    async def forget(request):
        await get_session_handler(request).destroy()
        return Response()

    site = make_site(RedisStore(connection=redis_client, prefix=""), autoload=False)
    site.view(forget)
    async with site.visitor() as visitor:
        for name in foreign:
            answer = await visitor.get("/forget", headers={"cookie": f"session={name}"})
            assert "expires=Thu, 01 Jan 1970" in answer.headers["set-cookie"]
    assert await redis_client.mget(*foreign) == [value.encode() for value in foreign.values()]
