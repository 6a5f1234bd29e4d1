"""The way to the catalogue: requests go through the front door, which vouches for the visitor."""

from collections.abc import AsyncIterator, Iterable
from typing import Final

import httpx
from fastapi import HTTPException, Request
from starlette.background import BackgroundTask
from starlette.responses import Response, StreamingResponse

from portal.front.forms import form_token, visitor_of
from portal.identity import IDENTITY_HEADER, IdentityHeader

# RFC 9110 section 7.6.1: these speak about one connection and are not passed on.
_HOP_BY_HOP: Final = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
    "transfer-encoding", "upgrade",
})  # fmt: skip
_FROM_THE_FRONT_DOOR: Final = frozenset({"date", "server"})
_NEVER_FROM_OUTSIDE: Final = frozenset({
    IDENTITY_HEADER.lower(), "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded",
})  # fmt: skip
LARGEST_BODY: Final = 51_000_000  # bytes: the largest data set and the other fields of its form


class CatalogueProxy:
    """Passes requests on to the catalogue, body and answer streamed in both directions."""

    def __init__(self, client: httpx.AsyncClient, identity: IdentityHeader, session_cookie: str) -> None:
        self._client = client
        self._identity = identity
        self._session_cookie = session_cookie

    async def __call__(self, request: Request) -> Response:
        """The catalogue's answer to this request.

        Raises:
            HTTPException: 411 or 413, the request's body does not say its length, or is too long.
            httpx.InvalidURL: the path holds what no address can.
            httpx.TransportError: the catalogue did not answer.
        """
        _check_length(request)
        upstream = await self._client.send(self._onward(request), stream=True)
        response = StreamingResponse(
            _raw(upstream), status_code=upstream.status_code, background=BackgroundTask(upstream.aclose)
        )
        response.raw_headers = [
            (name.lower(), value)  # ASGI's names are lower case; a header is found again only as such
            for name, value in upstream.headers.raw
            if name.decode().lower() not in _HOP_BY_HOP | _FROM_THE_FRONT_DOOR
        ]
        return response

    def _onward(self, request: Request) -> httpx.Request:
        return self._client.build_request(
            request.method,
            httpx.URL(path=request.url.path, query=request.url.query.encode() or None),
            headers=[*self._passed_headers(request), *self._identity_of(request)],
            content=request.stream() if _has_body(request) else None,
        )

    def _passed_headers(self, request: Request) -> Iterable[tuple[str, str]]:
        for name, value in request.headers.items():
            if name == "cookie":
                yield name, self._without_session(value)
            elif name not in _HOP_BY_HOP | _NEVER_FROM_OUTSIDE:
                yield name, value

    def _without_session(self, cookies: str) -> str:
        """The cookies without the session's id, which is nobody's business behind the front door."""
        pairs = (pair.strip() for pair in cookies.split(";"))
        return "; ".join(pair for pair in pairs if pair.partition("=")[0] != self._session_cookie)

    def _identity_of(self, request: Request) -> Iterable[tuple[str, str]]:
        visitor = visitor_of(request.session)
        if visitor is not None:
            token = form_token(request.session)
            yield IDENTITY_HEADER, self._identity.issue(visitor, request.method, request.url.path, token)


def _check_length(request: Request) -> None:
    """Refuse a body before any of it is read: the catalogue writes uploads to disk before it knows whose they are."""
    if "transfer-encoding" in request.headers:
        raise HTTPException(411, "Send the file with its length.")
    if int(request.headers.get("content-length", 0)) > LARGEST_BODY:
        raise HTTPException(413, "This is more than the catalogue takes at once: 50 MB.")


def _has_body(request: Request) -> bool:
    return "content-length" in request.headers


async def _raw(upstream: httpx.Response) -> AsyncIterator[bytes]:
    async for chunk in upstream.aiter_raw():
        yield chunk
