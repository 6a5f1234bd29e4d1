"""The front door as an ASGI application: `uvicorn --factory portal.front.app:create_app`."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import quote

import httpx
from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse, Response

from portal.front import devices, notebooks, signin
from portal.front.accounts import Accounts
from portal.front.catalogue_proxy import CatalogueProxy
from portal.front.forms import visitor_of
from portal.front.own_server import OwnServers
from portal.front.pages import bare_page, page
from portal.front.sign_in_limit import SignInLimit
from portal.front.status import PartStatus, StatusBoard
from portal.identity import IdentityHeader
from portal.redis_client import redis_client
from portal.settings import (
    SESSION_COOKIE,
    SESSION_PREFIX,
    SESSION_SECONDS,
    FrontDoorSettings,
    SiteSettings,
    front_door_settings,
)
from portal.web.headers import security_headers
from starsessions import SessionAutoloadMiddleware, SessionMiddleware
from starsessions.encryptors import AESGCMEncryptor
from starsessions.stores.redis import RedisStore

_METHODS: Final = ["GET", "HEAD", "POST"]
_SESSIONS_AWAY: Final = "The sessions did not answer just now. Try again in a moment."


def create_app() -> FastAPI:
    """The application, with its parts in `app.state`."""
    settings = front_door_settings()
    redis = redis_client(settings.redis_url)
    app = FastAPI(title="Tern Point Data", openapi_url=None, lifespan=_lifespan, redirect_slashes=False)
    app.state.settings = settings
    app.state.redis = redis
    app.state.accounts = Accounts(settings.folder / "accounts.json")
    app.state.sign_in_limit = SignInLimit(redis, settings.signing_keys)
    app.add_middleware(SessionAutoloadMiddleware)
    app.add_middleware(
        SessionMiddleware,
        store=RedisStore(connection=redis, prefix=SESSION_PREFIX),
        lifetime=SESSION_SECONDS,
        rolling=True,
        cookie_name=SESSION_COOKIE,
        cookie_https_only=settings.cookie_https_only,
        on_store_failure="unavailable",
        encryptor=_encryptor(settings),
    )
    app.middleware("http")(_with_security_headers(settings))
    _add_routes(app)
    return app


def _encryptor(settings: FrontDoorSettings) -> AESGCMEncryptor:
    """Sessions are opaque to whoever reads Redis, and a record that is copied to another id does not open there."""
    return AESGCMEncryptor(settings.session_keys, accept_unbound=False, accept_plaintext=settings.plain_sessions)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: SiteSettings = app.state.settings
    timeout = httpx.Timeout(30, connect=2)
    # A connection for each request: one that is kept would be closed under a request when a release is replaced.
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=settings.catalogue_url, timeout=timeout, limits=limits) as client:
        app.state.proxy = CatalogueProxy(client, IdentityHeader(settings.signing_keys), SESSION_COOKIE)
        app.state.board = StatusBoard(settings, client, app.state.redis)
        app.state.own_servers = OwnServers(settings, client)
        yield
    await app.state.redis.aclose()


def _with_security_headers(
    settings: SiteSettings,
) -> Callable[[Request, Callable[[Request], Awaitable[Response]]], Awaitable[Response]]:
    headers = security_headers(settings)

    async def add(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        if response.status_code == 503 and response.headers.get("content-type", "").startswith("text/plain"):
            response = _in_our_frame(request, response)
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        return response

    return add


def _add_routes(app: FastAPI) -> None:
    app.include_router(signin.router)
    app.include_router(devices.router)
    app.include_router(notebooks.router)
    app.add_api_route("/", home, response_class=HTMLResponse)
    app.add_api_route("/status", status_page, response_class=HTMLResponse)
    app.add_api_route("/status.json", status_json)
    app.add_api_route("/catalogue", to_catalogue)
    app.add_api_route("/catalogue/{path:path}", catalogue, methods=_METHODS)
    app.add_exception_handler(AnyHTTPException, _explain)
    app.add_exception_handler(RequestValidationError, _not_ours)
    app.add_exception_handler(RedisError, _redis_is_away)
    app.add_exception_handler(404, _not_found)
    app.add_exception_handler(405, _not_this_way)
    app.add_exception_handler(Exception, _broken)


async def home(request: Request) -> Response:
    """What the portal is, and the ways into it; figures from the catalogue if it answers in time."""
    return page(request, "home.html", facts=await request.app.state.board.facts())


async def status_page(request: Request) -> Response:
    """The state of all parts, for people."""
    parts = await _parts_for(request)
    return page(request, "status.html", parts=parts, works=all(part.works for part in parts))


async def status_json(request: Request) -> Response:
    """The state of all parts, for programs; 503 while one of them is down."""
    parts = await _parts_for(request)
    works = all(part.works for part in parts)
    body = {"works": works, "parts": [part.as_dict() for part in parts]}
    return JSONResponse(body, status_code=200 if works else 503)


async def _parts_for(request: Request) -> list[PartStatus]:
    """Members see versions and counts too; everybody else, whether a part works."""
    parts: list[PartStatus] = await request.app.state.board.read()
    return parts if visitor_of(request.session) else [part.in_public() for part in parts]


async def to_catalogue() -> Response:
    """The catalogue's address for those who leave out the slash; no word of the Host header goes into it."""
    return RedirectResponse("/catalogue/")


async def catalogue(request: Request) -> Response:
    """Everything below /catalogue/ is the Django project's, except what it tells the front door alone."""
    steps = request.path_params["path"].split("/")
    # Dots in a path would be followed on the way, and lead past this check.
    if steps[0] in {"health", "facts"} or not {".", ".."}.isdisjoint(steps):
        raise HTTPException(404)
    if request.method == "POST" and visitor_of(request.session) is None:
        return _sign_in_first(request)
    try:
        response: Response = await request.app.state.proxy(request)
    except httpx.InvalidURL as error:
        raise HTTPException(404) from error
    except ClientDisconnect:
        return Response(status_code=400)  # nobody is there to read it
    except httpx.TransportError:
        title, text = "The catalogue is away", "It did not answer just now. Try again in a moment."
        return page(request, "message.html", status=502, title=title, text=text)
    return response


def _sign_in_first(request: Request) -> Response:
    """A form leads to the sign-in page; a script, which would take that for its answer, is told."""
    if request.headers.get("content-type") == "application/json":
        return JSONResponse({"error": "You are signed out. Sign in in another window, and try again."}, status_code=401)
    return RedirectResponse(f"/sign-in?next={quote(request.url.path, safe='')}", status_code=303)


async def _explain(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 500)
    text = str(getattr(error, "detail", ""))
    return page(request, "message.html", status=status, title="That did not work", text=text)


async def _not_ours(request: Request, _: Exception) -> Response:
    text = "That is not what this portal's forms send."
    return page(request, "message.html", status=422, title="That did not work", text=text)


def _in_our_frame(request: Request, plain: Response) -> Response:
    """The session middleware's answer while Redis is away, as a page."""
    response = bare_page(request, "message.html", status=plain.status_code, title="Not just now", text=_SESSIONS_AWAY)
    response.headers["Retry-After"] = plain.headers["retry-after"]
    return response


async def _redis_is_away(request: Request, _: Exception) -> Response:
    return page(request, "message.html", status=503, title="Not just now", text=_SESSIONS_AWAY)


async def _not_found(request: Request, _: Exception) -> Response:
    text = "There is no page at this address."
    return page(request, "message.html", status=404, title="Not found", text=text)


async def _not_this_way(request: Request, error: Exception) -> Response:
    text = "This address does not take such a request. Open the page from the menu."
    response = page(request, "message.html", status=405, title="That did not work", text=text)
    response.headers.update(getattr(error, "headers", None) or {})  # Allow
    return response


async def _broken(request: Request, _: Exception) -> Response:
    """A failure of ours, which the server logs; no middleware of the application sees this answer."""
    text = "The front door failed at this. It has been written down; try again in a moment."
    response = bare_page(request, "message.html", status=500, title="Something broke", text=text)
    response.headers.update(security_headers(request.app.state.settings))
    return response
