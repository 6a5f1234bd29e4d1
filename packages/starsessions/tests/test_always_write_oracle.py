"""Sessions that are written only when they changed are the same as sessions that are always written.

The edits are those that a comparison could miss: values that are equal but not the same (`1`, `True`, `1.0`), another
order, one list under two keys, changes deep inside, a dictionary that takes the session's place.
"""

import asyncio
import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from starsessions import CookieStore, InMemoryStore, SessionAutoloadMiddleware, SessionMiddleware, regenerate_session_id

KEY = "a-key-long-enough-for-signing-cookies-1"
ALIKE = [0, False, 0.0, -0.0, 1, True, 1.0, "1", None, "", [], {}, "é", "\u2028", 10**20, 1e20, float("inf")]

leaves = st.sampled_from(ALIKE) | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc") | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
names = st.sampled_from("abc")
edits = st.one_of(
    st.tuples(st.just("look")),
    st.tuples(st.just("set"), names, trees),
    st.tuples(st.just("alias"), names, names),
    st.tuples(st.just("reorder")),
    st.tuples(st.just("deepen"), st.integers(0, 20), leaves),
    st.tuples(st.just("reverse"), st.integers(0, 20)),
    st.tuples(st.just("delete"), names),
    st.tuples(st.just("replace"), st.dictionaries(names, trees, max_size=2)),
    st.tuples(st.just("regenerate")),
    st.tuples(st.just("clear")),
    st.tuples(st.just("save early"), names, trees),
)


def containers(value):
    """Return every list and dictionary inside of `value`, itself excluded."""
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return [found for item in inner if isinstance(item, (dict, list)) for found in (item, *containers(item))]


def edit_in_place(session, kind, *arguments):
    """Change the session as an application would."""
    found = containers(session)
    if kind in {"set", "save early"}:
        session[arguments[0]] = copy.deepcopy(arguments[1])
    elif kind == "alias" and arguments[0] in session:
        session[arguments[1]] = session[arguments[0]]
    elif kind == "reorder":
        for name in sorted(session):
            session[name] = session.pop(name)
    elif kind == "deepen" and found:
        target = found[arguments[0] % len(found)]
        target.append(arguments[1]) if isinstance(target, list) else target.update(x=arguments[1])
    elif kind == "reverse" and found:
        target = found[arguments[0] % len(found)]
        target.reverse() if isinstance(target, list) else target.update(x=target.pop("x", 0))
    elif kind == "delete":
        session.pop(arguments[0], None)
    elif kind == "clear":
        session.clear()


async def visit(store, edit, cookie):
    """Make one request that edits the session; return what it saw as JSON, and the cookie afterwards."""
    kind, *arguments = edit
    seen, sent = [], []

    async def app(scope, receive, send):
        session = scope["session"]
        seen.append(json.dumps(session))
        if kind == "replace":
            scope["session"] = copy.deepcopy(arguments[0])
        elif kind == "regenerate":
            regenerate_session_id(Request(scope))
        else:
            edit_in_place(session, kind, *arguments)
        if kind == "save early":
            await session.save()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message):
        sent.append(message)

    headers = [(b"cookie", b"session=" + cookie)] if cookie else []
    scope = {"type": "http", "path": "/", "headers": headers, "query_string": b"", "method": "GET"}
    await SessionMiddleware(SessionAutoloadMiddleware(app), store=store, lifetime=60)(scope, None, send)
    for name, value in sent[0]["headers"]:
        if name == b"set-cookie":
            cookie = value.removeprefix(b"session=").partition(b";")[0]
    return seen[0], b"" if cookie == b"''" else cookie


def always_written(stored, edit):
    """Return the JSON of a session after an edit, if everything were always written."""
    kind, *arguments = edit
    session = json.loads(stored)
    if kind == "replace":
        session = copy.deepcopy(arguments[0])
    elif kind != "regenerate":
        edit_in_place(session, kind, *arguments)
    return json.dumps(session)


class CountingStore(InMemoryStore):
    def __init__(self):
        super().__init__()
        self.writes = 0

    async def write(self, session_id, data, lifetime, ttl):
        self.writes += 1
        return await super().write(session_id, data, lifetime, ttl)


class CountingCookieStore(CookieStore):
    def __init__(self):
        super().__init__(KEY)
        self.writes = 0

    async def write(self, session_id, data, lifetime, ttl):
        self.writes += 1
        return await super().write(session_id, data, lifetime, ttl)


async def compare(store, sequence):
    """Assert that each request sees what it would see if every request wrote, and that only those write that must."""
    expected, cookie = "{}", b""
    for edit in [*sequence, ("look",)]:
        before, writes = expected, store.writes
        seen, cookie = await visit(store, edit, cookie)
        assert seen == before
        expected = always_written(before, edit)
        must = expected != "{}" and (expected != before or edit[0] in {"regenerate", "save early"})
        assert store.writes - writes == must
        assert bool(cookie) is (expected != "{}")


@pytest.mark.parametrize("make_store", [CountingStore, CountingCookieStore])
@given(sequence=st.lists(edits, max_size=10))
@settings(max_examples=150)
def test_nothing_is_missed(make_store, sequence):
    """Whatever the edits, each request finds the session as if it had always been written, and only changes are."""
    asyncio.run(compare(make_store(), sequence), debug=False)


def nested(depth):
    return [nested(depth - 1)] if depth else []


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("stored", "assigned", "writes"),
    [
        (["a", [1]], ("a", (1,)), 0),
        ({"4711": 2}, {4711: 2}, 0),
        ({"4711": 2}, {4711: 3}, 1),
        ([1], [True], 1),
        ([1], [1.0], 1),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, 1),
        (nested(400), nested(400), 0),
        (nested(400), nested(401), 1),
    ],
    ids=["tuple", "number as key", "another under a number", "bool", "float", "order", "deep", "deeper"],
)
async def test_what_counts_as_a_change(stored, assigned, writes):
    """An assigned value is written if it would be stored differently, whatever types it is made of."""
    store = CountingStore()
    _, cookie = await visit(store, ("set", "x", stored), b"")
    before = store.writes
    await visit(store, ("set", "x", assigned), cookie)
    assert store.writes - before == writes
