"""Cookies of sessions that were never begun by a request."""

from __future__ import annotations

import typing

from starlette.requests import HTTPConnection

from starsessions.middleware import SessionMiddleware
from starsessions.session import load_session

if typing.TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from starsessions.stores import SessionStore

__all__ = ["session_cookies"]


async def session_cookies(store: SessionStore, data: dict[str, typing.Any], **options: typing.Any) -> dict[str, str]:
    """Store a session that holds `data` and return the cookies of a browser that has it.

    `options` are those of the application's `SessionMiddleware`: `lifetime`, `cookie_name`, `encryptor` and so on.
    """
    sent: list[Message] = []

    async def fill(scope: Scope, _receive: Receive, send: Send) -> None:
        await load_session(HTTPConnection(scope))
        scope["session"].update(data)
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    await SessionMiddleware(fill, store=store, **options)(scope, receive, send)
    headers = [value.decode("latin-1") for name, value in sent[0]["headers"] if name == b"set-cookie"]
    name_and_value = (header.partition(";")[0].partition("=") for header in headers)
    return {name: value for name, _, value in name_and_value}
