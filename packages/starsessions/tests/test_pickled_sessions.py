"""Sessions in a format of the application's own that keeps every type: pickle."""

import datetime as dt
import pickle

import pytest
from starlette.responses import PlainTextResponse, Response

from starsessions import Serializer
from starsessions.updates import increment

pytestmark = pytest.mark.anyio


class PickleSerializer(Serializer):
    def serialize(self, data):
        return pickle.dumps(data)

    def deserialize(self, data):
        return pickle.loads(data)


CHANGES = {
    "set": lambda session: session["set"].add(4),
    "tuple": lambda session: session["tuple"][1].append(3),
    "bytearray": lambda session: session["bytes"].extend(b"x"),
    "type": lambda session: session.update(bytes=bytes(session["bytes"])),
    "date": lambda session: session.update(date=session["date"] + dt.timedelta(days=1)),
}


@pytest.fixture
def pickling(make_site, store):
    site = make_site(store, lifetime=60, serializer=PickleSerializer())

    @site.view
    async def begin(request):
        request.session.update(set={1, 2}, tuple=(1, [2]), bytes=bytearray(b"a"), date=dt.date(2026, 1, 1))
        return Response()

    @site.view
    async def look(request):
        return PlainTextResponse(repr(dict(request.session)))

    @site.view
    async def change(request):
        CHANGES[request.query_params["what"]](request.session)
        return PlainTextResponse(repr(dict(request.session)))

    return site


@pytest.mark.parametrize("what", CHANGES)
async def test_changes_deep_inside_are_stored(pickling, what):
    """Changes inside of what JSON does not have are stored, and reading alone sets no cookie."""
    async with pickling.visitor() as visitor:
        await visitor.get("/begin")
        before = await visitor.get("/look")
        assert "set-cookie" not in before.headers
        changed = (await visitor.get("/change", params={"what": what})).text
        assert changed != before.text
        assert (await visitor.get("/look")).text == changed


async def test_counting(pickling):
    """Counters work beside values of any type."""

    @pickling.view
    async def count(request):
        return PlainTextResponse(str(await increment(request, "n")))

    async with pickling.visitor() as visitor:
        await visitor.get("/begin")
        assert [(await visitor.get("/count")).text for _ in range(3)] == ["1", "2", "3"]
        assert "'set': {1, 2}" in (await visitor.get("/look")).text
