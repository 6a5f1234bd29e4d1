"""An application as a user writes it; type checkers run over it in their strict mode."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any, assert_type

from pentad_config import KeyRing, Secret
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from starsessions import (
    CookieStore,
    InMemoryStore,
    JsonSerializer,
    Serializer,
    SessionAutoloadMiddleware,
    SessionMiddleware,
    SessionStore,
    get_session_handler,
    get_session_id,
    get_session_metadata,
    get_session_remaining_seconds,
    is_loaded,
    load_session,
    regenerate_session_id,
)
from starsessions.encryptors import AESGCMEncryptor, Encryptor, FernetEncryptor
from starsessions.session import SessionHandler
from starsessions.stores.redis import RedisStore
from starsessions.types import SessionMetadata
from starsessions.updates import increment, update_session
from starsessions.users import UserSession, get_user_id, list_sessions, revoke_all_sessions, sign_in


class DictStore(SessionStore):
    def __init__(self) -> None:
        self.records: dict[str, bytes] = {}

    async def read(self, session_id: str, lifetime: int) -> bytes:
        return self.records.get(session_id, b"")

    async def write(self, session_id: str, data: bytes, lifetime: int, ttl: int) -> str:
        self.records[session_id] = data
        return session_id

    async def remove(self, session_id: str) -> None:
        self.records.pop(session_id, None)


class Compact(Serializer):
    def serialize(self, data: Any) -> bytes:
        return json.dumps(data, separators=(",", ":")).encode()

    def deserialize(self, data: bytes) -> dict[str, Any]:
        return dict(json.loads(data))


class Reversing(Encryptor):
    async def encrypt(self, data: bytes) -> bytes:
        return data[::-1]

    async def decrypt(self, data: bytes) -> bytes:
        return data[::-1]


async def view(request: Request) -> Response:
    assert_type(is_loaded(request), bool)
    await load_session(request)
    assert_type(get_session_id(request), str | None)
    assert_type(regenerate_session_id(request), str)
    assert_type(get_session_metadata(request), SessionMetadata)
    assert_type(get_session_metadata(request)["created"], float)
    assert_type(get_session_remaining_seconds(request), int)
    handler = get_session_handler(request)
    assert_type(handler, SessionHandler)
    assert_type(await handler.save(), str)
    handler.session_id = "some-id"
    return JSONResponse(request.session)


async def account(request: Request, store: SessionStore) -> None:
    await sign_in(request, "ada")
    assert_type(get_user_id(request), str | None)
    assert_type(await list_sessions(store, "ada"), list[UserSession])
    assert_type(await revoke_all_sessions(request, "ada"), int)
    assert_type(await increment(request, "visits"), int)
    assert_type(await update_session(request, lambda session: str(session.pop("flash", ""))), str)


def handlers(request: Request, store: SessionStore) -> list[SessionHandler]:
    return [
        SessionHandler(request, "id", store, JsonSerializer(), 60),
        SessionHandler(request, None, store, JsonSerializer(), Reversing(), dt.timedelta(hours=1)),
        SessionHandler(request, None, store=store, serializer=JsonSerializer(), lifetime=60),
    ]


client = Redis.from_url("redis://localhost")
stores: list[SessionStore] = [
    InMemoryStore(),
    InMemoryStore(gc_ttl=60),
    CookieStore("key"),
    CookieStore(b"key", max_size=2048),
    CookieStore(Secret("key")),
    CookieStore(["new", "old"]),
    CookieStore(KeyRing(Secret.at("env:KEYS"))),
    RedisStore(connection=client),
    RedisStore(Secret.at("env:REDIS_URL"), prefix=lambda key: "app:" + key, gc_ttl=60, hash_ids="read"),
    DictStore(),
]
app = Starlette(
    routes=[Route("/", view)],
    middleware=[
        Middleware(SessionMiddleware, store=stores[0], lifetime=dt.timedelta(days=14), rolling=True),
        Middleware(SessionMiddleware, store=stores[1], serializer=Compact(), encryptor=FernetEncryptor("key")),
        Middleware(SessionMiddleware, cookie_same_site="strict", encryptor=AESGCMEncryptor(b"key")),
        Middleware(SessionMiddleware, absolute_lifetime=dt.timedelta(days=30), on_store_failure="unavailable"),
        Middleware(SessionAutoloadMiddleware, paths=["/admin"]),
    ],
)
