"""Copies of a session: what an application compares with later, sends to another process or puts aside."""

import copy
import pickle

import pytest
from starlette.responses import Response

from starsessions import InMemoryStore, SessionNotLoaded
from starsessions.guard import LoadGuard
from starsessions.users import get_user_id, sign_in

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda session: pickle.loads(pickle.dumps(session))])
async def test_copies_are_plain_dictionaries(make_site, copied):
    """A copy of a session has its data and nothing of the request's; emptying it signs nobody out."""
    site = make_site(InMemoryStore(), lifetime=60)

    @site.view
    async def login(request):
        request.session["cart"] = ["apple"]
        await sign_in(request, "ada")
        copies.append(copied(request.session))
        return Response()

    @site.view
    async def change(request):
        copies.append(copied(request.session))
        copies[-1].clear()
        return Response(get_user_id(request))

    copies = []
    async with site.visitor() as visitor:
        await visitor.get("/login")
        assert (await visitor.get("/change")).text == "ada"
        assert (await visitor.get("/show")).json() == copies[0] == {"cart": ["apple"]}
    assert [type(each) for each in copies] == [dict, dict]


def test_an_unloaded_session_is_not_copied():
    """Copying is using."""
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(SessionNotLoaded):
            copied(LoadGuard())
