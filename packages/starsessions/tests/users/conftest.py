"""A site whose visitors sign in, on every store that keeps lists of users' sessions."""

import pytest
from starlette.responses import JSONResponse, Response

from starsessions import (
    InMemoryStore,
    regenerate_session_id,
)
from starsessions.stores.redis import RedisStore
from starsessions.users import (
    get_user_id,
    list_sessions,
    revoke_other_sessions,
    sign_in,
    sign_out,
)


@pytest.fixture(params=["memory", "redis", "redis, hashed"])
def store(request):
    if request.param == "memory":
        return InMemoryStore()
    stage = "always" if "hashed" in request.param else "never"
    return RedisStore(connection=request.getfixturevalue("redis_client"), hash_ids=stage)


@pytest.fixture
def site(make_site, store):
    site = make_site(store, lifetime=3600)

    @site.view
    async def login(request):
        await sign_in(request, request.query_params["user"])
        return Response()

    @site.view
    async def logout(request):
        await sign_out(request)
        return Response()

    @site.view
    async def regenerate(request):
        regenerate_session_id(request)
        return Response()

    @site.view
    async def me(request):
        return JSONResponse(get_user_id(request))

    @site.view
    async def others(request):
        return JSONResponse(await revoke_other_sessions(request))

    @site.view
    async def devices(request):
        found = await list_sessions(request, get_user_id(request))
        return JSONResponse([[session.device, session.current] for session in found])

    return site
