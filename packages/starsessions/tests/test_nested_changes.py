"""Writing only what changed stores the same sessions as writing always."""

import array
import asyncio
import copy
import json
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from starsessions import InMemoryStore, Serializer, SessionAutoloadMiddleware, SessionMiddleware

leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5))
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from("abc")
edits = st.one_of(
    st.tuples(st.just("read")),
    st.tuples(st.just("set"), keys, trees),
    st.tuples(st.just("delete"), keys),
    st.tuples(st.just("deepen"), keys, st.integers(0, 5), trees),
    st.tuples(st.just("clear")),
)


def containers(value):
    """Every list and dictionary inside of `value`, itself included."""
    if isinstance(value, (list, dict)):
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from containers(inner)


def apply(session, edit):
    kind, *arguments = edit
    if kind == "set":
        session[arguments[0]] = copy.deepcopy(arguments[1])
    elif kind == "delete":
        session.pop(arguments[0], None)
    elif kind == "clear":
        session.clear()
    elif kind == "deepen":
        found = list(containers(session.get(arguments[0])))
        if found:
            target = found[arguments[1] % len(found)]
            value = copy.deepcopy(arguments[2])
            target.append(value) if isinstance(target, list) else target.update(new=value)


class CountingStore(InMemoryStore):
    def __init__(self):
        super().__init__()
        self.writes = 0

    async def write(self, session_id, data, lifetime, ttl):
        self.writes += 1
        return await super().write(session_id, data, lifetime, ttl)


async def visit(store, edit, cookie):
    """Make one request that edits the session; return what it saw and the cookie afterwards."""
    seen = []
    sent = []

    async def app(scope, receive, send):
        seen.append(copy.deepcopy(dict(scope["session"])))
        apply(scope["session"], edit)
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message):
        sent.append(message)

    headers = [(b"cookie", b"session=" + cookie)] if cookie else []
    scope = {"type": "http", "path": "/", "headers": headers, "query_string": b"", "method": "GET"}
    await SessionMiddleware(SessionAutoloadMiddleware(app), store=store, lifetime=60)(scope, None, send)
    for name, value in sent[0]["headers"]:
        if name == b"set-cookie":
            cookie = value[8:].partition(b";")[0]
    return seen[0], cookie if cookie != b"''" else b""


async def compare(sequence):
    """Assert what each request of a sequence sees, and which ones write."""
    store = CountingStore()
    model, cookie = {}, b""
    for edit in sequence:
        writes = store.writes
        seen, cookie = await visit(store, edit, cookie)
        assert json.dumps(seen) == json.dumps(model)
        before = json.dumps(model)
        apply(model, edit)
        model = json.loads(json.dumps(model))
        expected = 0 if json.dumps(model) == before or not model else 1
        assert store.writes - writes == expected
        assert bool(store.data) is bool(model)


@given(st.lists(edits, max_size=12))
@settings(max_examples=200, deadline=None)
def test_every_change_is_stored_and_nothing_else(sequence):
    """Each request sees what the last one left, however deep the change, and only changes are written."""
    asyncio.run(compare(sequence), debug=False)


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

    assert await count_writes(stored, assigned) == writes


async def count_writes(stored, assigned, **options):
    """Store a value, assign another one in the next request; return how many times that one wrote."""

    async def app(scope, receive, send):
        scope["session"]["x"] = value
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message):
        pass

    store = CountingStore()
    scope = {"type": "http", "path": "/", "query_string": b"", "method": "GET"}
    middleware = SessionMiddleware(SessionAutoloadMiddleware(app), store=store, lifetime=60, **options)
    value = stored
    await middleware({**scope, "headers": []}, None, send)
    cookie = b"session=" + next(iter(store.data)).encode()
    value, before = assigned, store.writes
    await middleware({**scope, "headers": [(b"cookie", cookie)]}, None, send)
    return store.writes - before


class PickleSerializer(Serializer):
    """A serializer that knows more types than JSON."""

    def serialize(self, data):
        return pickle.dumps(data)

    def deserialize(self, data):
        return pickle.loads(data)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("stored", "assigned", "writes"),
    [
        (b"ab", b"ab", 0),
        (b"ab", bytearray(b"ab"), 1),
        (bytearray(b"ab"), memoryview(b"ab").tobytes(), 1),
        (array.array("b", b"ab"), array.array("B", b"ab"), 1),
        (array.array("H", b"abcd"), array.array("B", b"abcd"), 1),
        ([bytearray(b"ab")], [array.array("B", b"ab")], 1),
        ((1, 2), [1, 2], 1),
        (frozenset({1}), {1}, 1),
    ],
    ids=["the same", "bytearray", "bytes", "sign", "item size", "nested", "tuple", "set"],
)
async def test_other_types_with_the_same_content_are_changes(stored, assigned, writes):
    """A serializer that tells types apart has values written whose content is the same and whose type is not."""
    assert await count_writes(stored, assigned, serializer=PickleSerializer()) == writes


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("stored", "assigned", "writes"),
    [
        (float("nan"), float("nan"), 0),
        (0.0, -0.0, 1),
        (1, "1", 1),
        ({"a": 1}, None, 1),
        (None, {"a": 1}, 1),
        ("\ud800", "\ud800", 0),
    ],
    ids=["nan", "negative zero", "text", "nothing", "something", "half a surrogate pair"],
)
async def test_simple_values_count_as_they_are_stored(stored, assigned, writes):
    """A simple value is written if its JSON is another one, whatever Python's comparison says."""
    assert await count_writes(stored, assigned) == writes
