"""Whatever a Cookie header holds: no exception, no header of the visitor's making."""

import asyncio
import contextlib
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from starsessions import CookieStore, InMemoryStore, SessionAutoloadMiddleware, SessionMiddleware
from starsessions.cookies import is_cookie_value
from starsessions.stores.redis import RedisStore

FOREIGN = {"billing-42": b'{"amount": 5}', "plain": b"text", "list": b"[]", "null": b"null"}

values = st.one_of(
    st.binary(max_size=200),
    st.text(alphabet=st.characters(max_codepoint=255), max_size=60).map(lambda text: text.encode("latin-1")),
    st.sampled_from([b'"x\\015\\012Set-Cookie: evil=1"', b'"abc\\012"', b"*", b"a" * 9000, b"../../etc/passwd"]),
    st.sampled_from([name.encode() for name in FOREIGN]),
    st.from_regex(rb"[A-Za-z0-9._~+/=-]{1,140}\n?", fullmatch=True),
    st.from_regex(rb"[A-Za-z0-9_=-]{1,40}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27}", fullmatch=True),
)
headers = st.lists(
    st.one_of(
        values, values.map(lambda value: b"session=" + value), values.map(lambda value: b'session="' + value + b'"')
    ),
    min_size=1,
    max_size=3,
).map(b"; ".join)


async def visit(app, cookie):
    """Return the headers of the answer to a request with this Cookie header."""
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": "/", "headers": [(b"cookie", cookie)], "query_string": b"", "method": "GET"}
    await app(scope, None, send)
    return sent[0]["headers"]


def make_app(store):
    async def app(scope, receive, send):
        scope["session"]["seen"] = True
        await send({"type": "http.response.start", "status": 200, "headers": []})

    return SessionMiddleware(SessionAutoloadMiddleware(app), store=store, lifetime=3600)


def check(store, cookie, answer):
    """One well-formed cookie is set, and server-side ids are ours."""
    assert [name for name, _ in answer] == [b"set-cookie", b"vary"]
    header = answer[0][1].decode("ascii")
    assert not any(character in header for character in "\r\n\0")
    value, _, attributes = header.removeprefix("session=").partition("; ")
    assert is_cookie_value(value)
    assert re.fullmatch(r"path=/; max-age=3[56]\d\d; httponly; samesite=lax; secure", attributes)
    if not isinstance(store, CookieStore):
        assert len(value) == 32
        assert value.encode() not in cookie


@pytest.mark.parametrize("kind", ["memory", "cookie"])
def test_hostile_cookies(kind):
    """No Cookie header raises an error or shapes the answer, in the stores that need no server."""
    store = {"memory": InMemoryStore, "cookie": lambda: CookieStore("k" * 32)}[kind]()
    app = make_app(store)
    with asyncio.Runner(debug=False) as runner:

        @given(cookie=headers)
        @example(cookie=b'session="x\\015\\012Set-Cookie: evil=1"')
        @example(cookie=b'session="abc\\012"')
        @example(cookie=b"session=\xff\xfe")
        @settings(max_examples=300)
        def attack(cookie):
            check(store, cookie, runner.run(visit(app, cookie)))

        attack()


def test_hostile_cookies_on_redis(redis_url):
    """The same on a real Redis without a prefix, where other programs' keys stay as they are."""
    with asyncio.Runner(debug=False) as runner, contextlib.ExitStack() as stack:
        client = Redis.from_url(redis_url)
        stack.callback(lambda: runner.run(client.aclose()))
        store = RedisStore(connection=client, prefix="")
        app = make_app(store)
        runner.run(client.mset(FOREIGN))

        @given(cookie=headers)
        @settings(max_examples=200)
        def attack(cookie):
            check(store, cookie, runner.run(visit(app, cookie)))

        attack()
        for name, value in FOREIGN.items():
            assert runner.run(client.get(name)) == value
            assert runner.run(client.ttl(name)) == -1
