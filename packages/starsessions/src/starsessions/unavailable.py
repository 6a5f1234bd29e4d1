"""The answer to a visitor whose session cannot be had."""

from __future__ import annotations

import typing

from starlette.responses import PlainTextResponse

if typing.TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from starsessions.exceptions import SessionStoreUnavailable

__all__ = ["send_unavailable"]

_TRY_AGAIN_LATER = 1013  # RFC 6455's registry of close codes


async def send_unavailable(scope: Scope, receive: Receive, send: Send, error: SessionStoreUnavailable) -> None:
    """Answer 503 with Retry-After in seconds; a WebSocket is refused the same way, or closed with code 1013."""
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": _TRY_AGAIN_LATER, "reason": "Service unavailable"})
        return
    headers = {"retry-after": str(error.retry_after), "cache-control": "no-store"}
    await PlainTextResponse("Service unavailable", status_code=503, headers=headers)(scope, receive, send)
