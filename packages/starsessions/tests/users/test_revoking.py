"""Ending sessions elsewhere, everywhere and here."""

import pytest
from starlette.responses import JSONResponse, Response

from starsessions.users import (
    get_user_id,
    list_sessions,
    revoke_all_sessions,
    revoke_other_sessions,
    revoke_session,
    sign_in,
)

pytestmark = pytest.mark.anyio


async def test_revoking_this_session_too(site, visitor, store):
    """A request that ends its own session sees it ended, and its browser forgets the cookie."""

    @site.view
    async def everywhere(request):
        revoked = await revoke_all_sessions(request, get_user_id(request))
        return JSONResponse([revoked, get_user_id(request), dict(request.session)])

    await visitor.get("/login?user=ada")
    await visitor.get("/update?a=1")
    answer = await visitor.get("/everywhere")
    assert answer.json() == [1, None, {}]
    assert answer.headers["set-cookie"].startswith("session='';")
    assert (await visitor.get("/everywhere")).json() == [0, None, {}]


async def test_signing_in_after_revoking_all(site, visitor, store):
    """Ending all sessions and signing in again in one request leaves one session: the new one."""

    @site.view
    async def fresh(request):
        await revoke_all_sessions(request, "ada")
        await sign_in(request, "ada")
        return Response()

    await visitor.get("/login?user=ada")
    await visitor.get("/fresh")
    assert (await visitor.get("/me")).json() == "ada"
    assert len(await list_sessions(store, "ada")) == 1


async def test_ending_all_after_signing_in(site, visitor, store):
    """A session that is only being signed in is not among those that exist."""

    @site.view
    async def only_here(request):
        await sign_in(request, "ada")
        return JSONResponse(await revoke_all_sessions(request, "ada"))

    assert (await visitor.get("/only_here")).json() == 0
    assert (await visitor.get("/me")).json() == "ada"


async def test_nobodys_sessions(site, visitor, store):
    """A visitor who is not signed in has no sessions to list or to end."""

    @site.view
    async def nobody(request):
        found = await list_sessions(request, get_user_id(request))
        return JSONResponse([found, await revoke_session(request, None, "x"), await revoke_all_sessions(store, None)])

    assert (await visitor.get("/nobody")).json() == [[], False, 0]


@pytest.mark.parametrize("store", ["redis", "redis, hashed"], indirect=True)
async def test_a_new_id_is_no_way_out(site, visitor, store, monkeypatch):
    """A session that gets a new id between the reading of the list and the deleting of what is in it ends as well."""
    await visitor.get("/login?user=ada")
    known, renamed = type(store.users)._known, []

    async def slowly(index, user_id):
        entries = await known(index, user_id)
        if not renamed:
            renamed.append(await visitor.get("/regenerate"))
        return entries

    monkeypatch.setattr(type(store.users), "_known", slowly)
    assert await revoke_all_sessions(store, "ada") == 1
    assert (await visitor.get("/me")).json() is None
    assert await list_sessions(store, "ada") == []


async def test_revoking_others(site, store):
    """After a change of the password every other session of the user ends; this one and other users' go on."""
    async with site.visitor() as here, site.visitor() as there, site.visitor() as bob:
        for visitor, user in ((here, "ada"), (there, "ada"), (bob, "bob")):
            await visitor.get(f"/login?user={user}")
        assert (await here.get("/others")).json() == 1
        assert (await here.get("/me")).json() == "ada"
        assert (await there.get("/me")).json() is None
        assert (await bob.get("/me")).json() == "bob"
        assert (await here.get("/others")).json() == 0


async def test_revoking_others_while_signing_in(site, store):
    """The session that is just being signed in is not one of the others."""

    @site.view
    async def takeover(request):
        await sign_in(request, "ada")
        return JSONResponse(await revoke_other_sessions(request))

    async with site.visitor() as here, site.visitor() as there:
        await there.get("/login?user=ada")
        assert (await here.get("/takeover")).json() == 1
        assert (await here.get("/me")).json() == "ada"
        assert len(await list_sessions(store, "ada")) == 1


async def test_a_revoked_session_is_not_revived(site, visitor, store):
    """A request that works on a session while it is revoked neither stores it nor lists it again."""

    @site.view
    async def slow(request):
        assert await revoke_all_sessions(store, "ada") == 1
        request.session["late"] = 1
        return Response()

    await visitor.get("/login?user=ada")
    assert "set-cookie" not in (await visitor.get("/slow")).headers
    assert await list_sessions(store, "ada") == []
    assert (await visitor.get("/show")).json() == {}
