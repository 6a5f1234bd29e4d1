"""A shop whose visitors have a basket: in Redis, or in the cookie itself, as SHOP_STORE says."""

import os

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from starsessions import CookieStore, SessionAutoloadMiddleware, SessionMiddleware
from starsessions.session import regenerate_session_id

if os.environ["SHOP_STORE"] == "redis":
    from starsessions.stores.redis import RedisStore

    store = RedisStore(os.environ["REDIS_URL"], prefix="shop.")
else:
    store = CookieStore(secret_key=os.environ["SHOP_KEY"])


async def login(request):
    request.session["user"] = request.path_params["user"]
    regenerate_session_id(request)
    return JSONResponse(request.session)


async def add(request):
    request.session["basket"] = [*request.session.get("basket", []), request.path_params["item"]]
    return JSONResponse(request.session)


async def show(request):
    return JSONResponse(request.session)


async def logout(request):
    request.session.clear()
    return JSONResponse(request.session)


app = Starlette(
    routes=[
        Route("/", show),
        Route("/login/{user}", login, methods=["POST"]),
        Route("/basket/{item}", add, methods=["POST"]),
        Route("/logout", logout, methods=["POST"]),
    ],
    middleware=[
        Middleware(SessionMiddleware, store=store, lifetime=3600, rolling=True, cookie_https_only=False),
        Middleware(SessionAutoloadMiddleware),
    ],
)
