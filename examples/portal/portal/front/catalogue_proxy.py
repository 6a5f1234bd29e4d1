"""The way to the catalogue: requests go through the front door, which vouches for the visitor."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from tempfile import SpooledTemporaryFile
from typing import IO, Final

import httpx
from fastapi import HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from starlette.background import BackgroundTask
from starlette.responses import Response, StreamingResponse

from portal.front.forms import check_length, form_token, visitor_of
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
_LARGEST_IN_MEMORY: Final = 1_000_000
_CHUNK: Final = 65_536


class CatalogueProxy:
    """Passes requests on to the catalogue.

    A body is received whole before the catalogue hears of it: each of its few threads reads one request at a
    time, and senders that take their time would soon hold them all.
    """

    UPLOAD_SECONDS: float = 600.0

    def __init__(self, client: httpx.AsyncClient, identity: IdentityHeader, session_cookie: str) -> None:
        self._client = client
        self._identity = identity
        self._session_cookie = session_cookie

    async def __call__(self, request: Request) -> Response:
        """The catalogue's answer to this request.

        Raises:
            HTTPException: the request's body does not say its length (411), is too long (413), or takes more than
                `UPLOAD_SECONDS` to arrive (408).
            ClientDisconnect: the visitor went away before the body was there.
            httpx.InvalidURL: the path holds what no address can.
            httpx.TransportError: the catalogue did not answer.
        """
        check_length(request, LARGEST_BODY)
        with SpooledTemporaryFile(_LARGEST_IN_MEMORY) as body:
            await self._receive(request, body)
            upstream = await self._client.send(self._onward(request, body), stream=True)
        response = StreamingResponse(
            _raw(upstream), status_code=upstream.status_code, background=BackgroundTask(upstream.aclose)
        )
        response.raw_headers = [
            (name.lower(), value)  # ASGI's names are lower case; a header is found again only as such
            for name, value in upstream.headers.raw
            if name.decode().lower() not in _HOP_BY_HOP | _FROM_THE_FRONT_DOOR
        ]
        return response

    async def _receive(self, request: Request, body: IO[bytes]) -> None:
        try:
            async with asyncio.timeout(self.UPLOAD_SECONDS):
                async for chunk in request.stream():
                    await run_in_threadpool(body.write, chunk)
        except TimeoutError as error:
            raise HTTPException(408, "The file took too long to arrive. Try again from a faster connection.") from error
        body.seek(0)

    def _onward(self, request: Request, body: IO[bytes]) -> httpx.Request:
        return self._client.build_request(
            request.method,
            httpx.URL(path=request.url.path, query=request.url.query.encode() or None),
            headers=[*self._passed_headers(request), *self._identity_of(request)],
            content=_chunks(body) if "content-length" in request.headers else None,
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


async def _chunks(body: IO[bytes]) -> AsyncIterator[bytes]:
    while chunk := await run_in_threadpool(body.read, _CHUNK):
        yield chunk


async def _raw(upstream: httpx.Response) -> AsyncIterator[bytes]:
    async for chunk in upstream.aiter_raw():
        yield chunk
