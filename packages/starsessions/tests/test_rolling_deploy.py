"""Servers with starsessions 2.2 and with this package side by side: a visitor notices nothing.

The other server is written here from that version's documented behaviour: it reads the document, writes it at every
request that loaded it, and keeps the metadata inside of it.
"""

import base64
import json
import time

import httpx
import itsdangerous
import pytest
from starlette.responses import JSONResponse

from starsessions import CookieStore
from starsessions.stores.redis import RedisStore

pytestmark = pytest.mark.anyio

KEY = "shared-key-of-the-old-and-new-code-0001"
LIFETIME = 3600
SIGNER = itsdangerous.TimestampSigner(KEY)


class OldServer:
    """What starsessions 2.2 does with a session, on Redis or in a cookie."""

    def __init__(self, redis=None):
        self._redis = redis

    async def visit(self, cookie, changes):
        """Serve one request; return the session it saw and the cookie it sets."""
        session = await self._load(cookie)
        metadata = session.pop("__metadata__", {"created": time.time(), "lifetime": LIFETIME})
        seen = dict(session)
        for name, value in changes.items():
            session.pop(name, None) if value is None else session.update({name: value})
        if not session:
            if self._redis is not None:
                await self._redis.delete("starsessions." + cookie)
            return seen, ""
        metadata["last_access"] = time.time()
        return seen, await self._save(cookie, {**session, "__metadata__": metadata})

    async def _load(self, cookie):
        if not cookie:
            return {}
        if self._redis is not None:
            return json.loads(await self._redis.get("starsessions." + cookie) or "{}")
        return json.loads(base64.b64decode(SIGNER.unsign(cookie, max_age=LIFETIME)))

    async def _save(self, cookie, document):
        data = json.dumps(document).encode()
        if self._redis is None:
            return SIGNER.sign(base64.b64encode(data)).decode()
        session_id = cookie or base64.b16encode(data[:16]).decode().lower()
        await self._redis.set("starsessions." + session_id, data, ex=LIFETIME)
        return session_id


class NewServer:
    """An application with this package."""

    def __init__(self, site):
        self._site = site

        @site.view
        async def change(request):
            seen = dict(request.session)
            for name, value in json.loads(request.query_params["changes"]).items():
                request.session.pop(name, None) if value is None else request.session.update({name: value})
            return JSONResponse(seen)

    async def visit(self, cookie, changes):
        """Serve one request; return the session it saw and the cookie the browser has afterwards."""
        async with self._site.visitor() as visitor:
            headers = {"cookie": f"session={cookie}"} if cookie else {}
            answer = await visitor.get("/change", params={"changes": json.dumps(changes)}, headers=headers)
            header = answer.headers.get("set-cookie")
        return answer.json(), cookie if header is None else httpx.Cookies(answer.cookies).get("session", "").strip("'")


@pytest.fixture(params=["redis", "cookie"])
async def servers(request, make_site, redis_client):
    store, redis = CookieStore(KEY), None
    if request.param == "redis":
        store, redis = RedisStore(connection=redis_client), redis_client
    return {"old": OldServer(redis), "new": NewServer(make_site(store, lifetime=LIFETIME))}


@pytest.mark.parametrize(
    "route",
    ["old new", "new old", "old new old new", "new new old old new", "new old new old old new new old"],
)
async def test_a_visitor_between_two_versions(servers, route):
    """Whichever server answers, the session is what the last answer left, and emptying it ends it on both."""
    cookie, expected = "", {}
    for number, name in enumerate(route.split()):
        changes = {f"k{number}": {"by": name, "list": [number, None, 1.5, "ä"]}, f"k{number - 2}": None}
        seen, cookie = await servers[name].visit(cookie, changes)
        assert seen == expected
        expected = {key: value for key, value in {**expected, **changes}.items() if value is not None}
    other = {"old": "new", "new": "old"}[name]
    seen, gone = await servers[other].visit(cookie, dict.fromkeys(expected))
    assert (seen, gone) == (expected, "")
    if not isinstance(servers["new"]._site.store, CookieStore):
        assert (await servers[name].visit(cookie, {}))[0] == {}
