"""Sessions of other code: documents in the common format, Starlette's own cookie, damaged ones."""

import json
import logging
import time
from base64 import b64encode

import httpx
import itsdangerous
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware as StarletteSessionMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from starsessions import CookieStore, InMemoryStore, JsonSerializer
from starsessions.stores.redis import RedisStore

pytestmark = pytest.mark.anyio

KEY = "shared-key-of-the-old-and-new-code-0001"
ID = "0123456789abcdef0123456789abcdef"


def document(created, **data):
    """A document as the common format has it: data at the top, metadata beside it, json.dumps's own spacing."""
    metadata = {"lifetime": 60, "created": created, "last_access": created}
    return json.dumps({**data, "__metadata__": metadata}).encode()


async def test_redis_documents_of_other_code(make_site, redis_client):
    """A document that other code stored is read, left alone if unchanged, and rewritten in the same format."""
    stored = document(time.time() - 5, name="Ada")
    await redis_client.set("starsessions." + ID, stored, ex=55)
    async with make_site(RedisStore(connection=redis_client), lifetime=60).visitor() as visitor:
        visitor.cookies.set("session", ID, domain="site.example")
        assert (await visitor.get("/show")).json() == {"name": "Ada"}
        assert await redis_client.get("starsessions." + ID) == stored
        await visitor.get("/update?more=1")
    rewritten = json.loads(await redis_client.get("starsessions." + ID))
    before = json.loads(stored)["__metadata__"]
    assert rewritten.pop("__metadata__") | {"last_access": 0} == before | {"last_access": 0}
    assert rewritten == {"name": "Ada", "more": "1"}


async def test_cookies_of_other_code(make_site):
    """A cookie is base64 under itsdangerous's TimestampSigner, in both directions."""
    signer = itsdangerous.TimestampSigner(KEY)
    theirs = signer.sign(b64encode(document(time.time() - 5, name="Ada"))).decode()
    async with make_site(CookieStore(KEY), lifetime=60).visitor() as visitor:
        assert (await visitor.get("/show", headers={"cookie": f"session={theirs}"})).json() == {"name": "Ada"}
        await visitor.get("/update?a=1")
        ours = visitor.cookies["session"]
    from base64 import b64decode

    assert json.loads(b64decode(signer.unsign(ours, max_age=60)))["a"] == "1"


async def test_starlettes_own_cookie(make_site):
    """A session of Starlette's middleware with the same key goes on, gets an end, and can go back."""

    async def view(request):
        request.session.setdefault("name", "Ada")
        return JSONResponse(request.session)

    theirs = Starlette(
        routes=[Route("/", view)], middleware=[Middleware(StarletteSessionMiddleware, secret_key=KEY, https_only=True)]
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(theirs), base_url="https://site.example") as visitor:
        await visitor.get("/")
        cookies = visitor.cookies
        async with make_site(CookieStore(KEY), lifetime=60).visitor() as switched:
            switched.cookies.set("session", cookies["session"], domain="site.example")
            answer = await switched.get("/show")
            assert answer.json() == {"name": "Ada"}
            assert "set-cookie" in answer.headers
            assert "set-cookie" not in (await switched.get("/show")).headers
            back = switched.cookies["session"]
        visitor.cookies.clear()
        assert (await visitor.get("/", headers={"cookie": f"session={back}"})).json()["name"] == "Ada"


@pytest.mark.parametrize(
    "damaged",
    [
        b"not json",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'"x"',
        b"1",
        b"[" * 100_000,
        b'{"a": 1, "__metadata__": "x"}',
        b'{"a": 1, "__metadata__": {}}',
        b'{"a": 1, "__metadata__": {"created": "x"}}',
        b'{"a": 1, "__metadata__": {"created": NaN, "last_access": 0, "lifetime": 0}}',
        b'{"a": 1, "__metadata__": {"created": 1, "last_access": true, "lifetime": 0}}',
        b'{"a": 1, "__metadata__": {"created": 1%s, "last_access": 0, "lifetime": 0}}' % (b"0" * 400),
    ],
    ids=lambda damaged: repr(damaged[:40]),
)
async def test_damaged_records(make_site, damaged, caplog):
    """A damaged record gives an empty session with a new id and one log event, and stays for inspection."""
    store = InMemoryStore()
    store.data[ID] = damaged
    async with make_site(store, lifetime=60).visitor() as visitor:
        visitor.cookies.set("session", ID, domain="site.example")
        with caplog.at_level(logging.WARNING, logger="starsessions"):
            answer = await visitor.get("/update?b=1", headers={"cookie": f"session={ID}"})
    assert answer.json() == {"b": "1"}
    assert ID not in answer.headers["set-cookie"]
    assert store.data[ID] == damaged
    assert [record.event for record in caplog.records] == ["session.discarded"]
    assert ID not in caplog.text


async def test_tampered_cookie(make_site, caplog):
    """A cookie whose signature is wrong gives an empty session, an event that does not repeat it, and is cleared."""
    async with make_site(CookieStore(KEY)).visitor() as visitor:
        await visitor.get("/update?a=1")
        cookie = visitor.cookies["session"]
        with caplog.at_level(logging.INFO, logger="starsessions"):
            answer = await visitor.get("/show", headers={"cookie": f"session=x{cookie}"})
    assert answer.json() == {}
    assert answer.headers["set-cookie"].startswith("session='';")
    assert [record.event for record in caplog.records] == ["session.cookie_rejected"]
    assert cookie[:20] not in caplog.text


async def test_user_key_named_like_the_metadata(make_site):
    """A key of the metadata's name is not the visitor's to set: the metadata is stored in its place."""
    store = InMemoryStore()
    async with make_site(store, lifetime=60).visitor() as visitor:
        await visitor.get("/update?a=1&__metadata__=x")
        assert (await visitor.get("/show")).json() == {"a": "1"}


def test_codecs_of_the_applications_own():
    """Encoder and decoder classes are used as the json module would use them."""

    class Encoder(json.JSONEncoder):
        def default(self, o):
            return {"set": sorted(o)} if isinstance(o, set) else super().default(o)

    class Decoder(json.JSONDecoder):
        def __init__(self, **options):
            super().__init__(object_hook=lambda o: set(o["set"]) if "set" in o else o, **options)

    serializer = JsonSerializer(json_encoder=Encoder, json_decoder=Decoder)
    data = {"a": {1, 2}}
    assert serializer.serialize(data) == json.dumps(data, cls=Encoder).encode()
    assert serializer.deserialize(serializer.serialize(data)) == data
    assert serializer.deserialize(b"") == {}
    assert JsonSerializer().serialize({"ä": 1.5}) == json.dumps({"ä": 1.5}).encode()


@pytest.mark.parametrize(
    "text", [" ", "{", '{"a": }', '{"a": 1}}', '{"a": 1} x', "nul", "[1", '{"a": 1}\n', " {}", "[]"]
)
def test_text_is_read_as_the_json_module_reads_it(text):
    """Texts are refused with the error of json.loads, which names the place, and read with the same result."""
    results = []
    for read in (json.loads, lambda text: JsonSerializer().deserialize(text.encode())):
        try:
            results.append(read(text))
        except json.JSONDecodeError as error:
            results.append(str(error))
    assert results[0] == results[1]
