"""The option `check_values`: what cannot be stored is refused where it is put into the session."""

import datetime as dt
import enum
import json
import pickle

import pytest
from starlette.responses import Response

from starsessions import InMemoryStore, JsonSerializer, Serializer, SessionNotLoaded, load_session
from starsessions.exceptions import SessionNotSerializable
from starsessions.updates import increment

pytestmark = pytest.mark.anyio


class Colour(enum.StrEnum):
    RED = "red"


class PickleSerializer(Serializer):
    def serialize(self, data):
        return pickle.dumps(data)

    def deserialize(self, data):
        return pickle.loads(data)


class DateEncoder(json.JSONEncoder):
    def default(self, value):
        return value.isoformat()


async def attempt(make_site, work, **options):
    """Let a view work on its session; return what is stored afterwards."""
    site = make_site(InMemoryStore(), **{"check_values": True, **options})

    @site.view
    async def view(request):
        await work(request)
        return Response()

    async with site.visitor() as visitor:
        await visitor.get("/update?before=1")
        await visitor.get("/view")
        return (await visitor.get("/show")).json()


WAYS = {
    "item": lambda session, value: session.__setitem__("key", value),
    "setdefault": lambda session, value: session.setdefault("key", value),
    "update": lambda session, value: session.update({"fine": 1}, key=value),
    "merge": lambda session, value: session.__ior__({"fine": 1, "key": value}),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), "holds a object that JsonSerializer cannot store"),
        ([{"a": dt.date(2026, 1, 1)}], "holds a list that JsonSerializer cannot store"),
        ((1, 2), "would not come back as it is: a tuple becomes a list"),
        ([{"a": (1,)}], "would not come back as it is: a tuple becomes a list"),
        ({"a": {1: "one"}}, "would not come back as it is: the key 1 is no text"),
    ],
    ids=["object", "date", "tuple", "tuple inside", "numbered"],
)
async def test_refused_where_it_is_put_in(make_site, way, value, message):
    """The error names the key and is raised where the mistake is; nothing of the attempt stays in the session."""

    async def work(request):
        with pytest.raises(SessionNotSerializable, match=f"^Session key 'key' {message}"):
            WAYS[way](request.session, value)

    assert await attempt(make_site, work) == {"before": "1"}


@pytest.mark.parametrize("key", [1, None, "__metadata__"])
async def test_keys(make_site, key):
    """A key that is no text, or that of the session's own metadata, is refused."""

    async def work(request):
        with pytest.raises(SessionNotSerializable, match=f"^Session key {key!r}"):
            request.session[key] = 1

    assert await attempt(make_site, work) == {"before": "1"}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("value", [None, True, 1.5, "ä", [1, [2]], {"a": {"b": []}}, Colour.RED, float("nan")], ids=str)
async def test_what_json_gives_back_is_put_in(make_site, way, value):
    """Everything that comes back as it is may be in the session."""

    async def work(request):
        WAYS[way](request.session, value)
        assert request.session["key"] is value
        request.session.pop("key")

    await attempt(make_site, work)


async def test_setdefault_leaves_what_is_there(make_site):
    """A default that is not needed is not looked at."""

    async def work(request):
        assert request.session.setdefault("before", object()) == "1"

    assert await attempt(make_site, work) == {"before": "1"}


async def test_a_value_that_turns_into_another(make_site):
    """An encoder that writes dates needs a decoder that reads them."""

    async def work(request):
        with pytest.raises(SessionNotSerializable, match="a date becomes a str"):
            request.session["day"] = dt.date(2026, 1, 1)

    await attempt(make_site, work, serializer=JsonSerializer(json_encoder=DateEncoder))


async def test_other_serializers(make_site):
    """What a serializer can store is its own affair: pickle gives tuples back."""

    async def work(request):
        request.session["key"] = (1, {2: "two"})

    assert await attempt(make_site, work, serializer=PickleSerializer()) == {"before": "1", "key": [1, {"2": "two"}]}


async def test_counters_and_emptying(make_site):
    """Counting, emptying and beginning anew work as without the option."""

    async def work(request):
        assert await increment(request, "n") == 1
        request.session.clear()
        request.session["a"] = 1

    assert await attempt(make_site, work) == {"a": 1}


async def test_unloaded(make_site):
    """Before it is loaded the session refuses everything, as ever."""
    site = make_site(InMemoryStore(), autoload=False, check_values=True)

    @site.view
    async def view(request):
        with pytest.raises(SessionNotLoaded):
            request.session["a"] = 1
        await load_session(request)
        request.session["a"] = 1
        return Response()

    async with site.visitor() as visitor:
        assert "set-cookie" in (await visitor.get("/view")).headers


async def test_without_the_option(make_site):
    """By default what cannot be stored is an error when the session is stored, and a tuple becomes a list."""

    async def work(request):
        request.session["key"] = (1, 2)

    assert await attempt(make_site, work, check_values=False) == {"before": "1", "key": [1, 2]}

    async def wrong(request):
        request.session["key"] = object()

    with pytest.raises(SessionNotSerializable, match="^Session key 'key' holds a object"):
        await attempt(make_site, wrong, check_values=False)
