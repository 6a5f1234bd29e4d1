"""Sessions with a shape: TypedDicts, dataclasses and pydantic models in place of a dictionary."""

import dataclasses
import datetime as dt
import logging
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI, WebSocket
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response
from starlette.testclient import TestClient
from typing_extensions import TypedDict

from starsessions import InMemoryStore, SessionMiddleware, load_session
from starsessions.exceptions import ImproperlyConfigured
from starsessions.fastapi import SessionDict, session_of, typed_session_of
from starsessions.typed import TypedSession, load_typed_session

pytestmark = pytest.mark.anyio


@dataclasses.dataclass
class DataclassCart:
    items: list[str] = dataclasses.field(default_factory=list)
    since: dt.date | None = None


class ModelCart(BaseModel):
    items: list[str] = []
    since: dt.date | None = None


class DictCart(TypedDict, total=False):
    items: list[str]
    since: dt.date | None


class Login(BaseModel):
    uname: str
    roles: set[str] = Field(default_factory=set)


def items_of(cart):
    return cart.setdefault("items", []) if isinstance(cart, dict) else cart.items


@pytest.fixture(params=[DataclassCart, ModelCart, DictCart])
def cart_type(request):
    return request.param


@pytest.fixture
def typed_site(make_site, store, cart_type):
    """A site whose sessions hold a cart beside other entries."""
    site = make_site(store, lifetime=60, autoload=False)

    @site.view
    async def add(request):
        cart = (await load_typed_session(request, cart_type)).value
        items_of(cart).append(request.query_params["item"])
        return JSONResponse(items_of(cart))

    @site.view
    async def look(request):
        cart = (await load_typed_session(request, cart_type)).value
        return JSONResponse(items_of(dict(cart) if isinstance(cart, dict) else cart))

    @site.view
    async def plain(request):
        await load_session(request)
        request.session.update(request.query_params)
        return JSONResponse(request.session)

    return site


async def test_changes_are_stored(typed_site):
    """Changes inside of the value are stored, as plain JSON beside the session's other entries."""
    async with typed_site.visitor() as visitor:
        await visitor.get("/plain?theme=dark")
        await visitor.get("/add?item=apple")
        assert (await visitor.get("/add?item=pear")).json() == ["apple", "pear"]
        plain = (await visitor.get("/plain")).json()
        assert (plain["theme"], plain["items"]) == ("dark", ["apple", "pear"])


async def test_looking_stores_nothing(typed_site):
    """A value that was not changed is not stored: a new visitor gets no cookie and no defaults."""
    async with typed_site.visitor() as visitor:
        assert "set-cookie" not in (await visitor.get("/look")).headers
        await visitor.get("/plain?theme=dark")
        assert "set-cookie" not in (await visitor.get("/look")).headers
        assert (await visitor.get("/plain")).json() == {"theme": "dark"}


async def test_data_that_does_not_fit(typed_site, caplog):
    """Stored data of another shape counts as absent and is reported without its values; a change replaces it."""
    async with typed_site.visitor() as visitor:
        await visitor.get("/plain?items=secret-thing&theme=dark")
        with caplog.at_level(logging.WARNING, logger="starsessions"):
            assert (await visitor.get("/look")).json() == []
        assert [record.event for record in caplog.records] == ["session.shape_mismatch"]
        assert "items (list_type)" in caplog.text
        assert "secret-thing" not in caplog.text
        assert (await visitor.get("/plain")).json()["items"] == "secret-thing"
        await visitor.get("/add?item=apple")
        plain = (await visitor.get("/plain")).json()
        assert (plain["theme"], plain["items"]) == ("dark", ["apple"])


async def test_types_that_json_lacks(make_site):
    """Dates and sets are stored as JSON and come back as what they were."""
    site = make_site(InMemoryStore(), lifetime=60)

    class Visit(BaseModel):
        day: dt.date = dt.date(2026, 1, 1)
        seen: set[int] = set()

    @site.view
    async def visit(request):
        value = (await load_typed_session(request, Visit)).value
        before = [value.day.isoformat(), sorted(value.seen)]
        value.day += dt.timedelta(days=1)
        value.seen.add(value.day.day)
        return JSONResponse(before)

    async with site.visitor() as visitor:
        assert (await visitor.get("/visit")).json() == ["2026-01-01", []]
        assert (await visitor.get("/visit")).json() == ["2026-01-02", [2]]
        assert (await visitor.get("/show")).json() == {"day": "2026-01-03", "seen": [2, 3]}


async def test_one_entry_of_the_session(make_site):
    """With a key, the value lives in one entry, and may be of any type; two keys do not mix."""
    site = make_site(InMemoryStore(), lifetime=60)

    @site.view
    async def both(request):
        for key in ("mine", "gift"):
            (await load_typed_session(request, ModelCart, key=key)).value.items.append(key)
        (await load_typed_session(request, list[int], key="numbers")).value = [1, 2]
        return Response()

    async with site.visitor() as visitor:
        await visitor.get("/both")
        assert (await visitor.get("/show")).json() == {
            "mine": {"items": ["mine"], "since": None},
            "gift": {"items": ["gift"], "since": None},
            "numbers": [1, 2],
        }


async def test_the_same_object_in_one_request(make_site, store):
    """Whoever asks for the session's shape during a request gets the same value."""
    site = make_site(store, lifetime=60)

    @site.view
    async def twice(request):
        first, second = [await load_typed_session(request, ModelCart) for _ in range(2)]
        return JSONResponse(first is second and first.value is second.value)

    async with site.visitor() as visitor:
        assert (await visitor.get("/twice")).json() is True


async def test_signing_in_and_out(make_site, store):
    """A value that is assigned is stored; assigning None removes its entries and no others."""
    site = make_site(store, lifetime=60)

    @site.view
    async def login(request):
        slot = await load_typed_session(request, Login)
        assert slot.value is None
        slot.value = Login(uname="ada", roles={"admin"})
        return Response()

    @site.view
    async def logout(request):
        (await load_typed_session(request, Login)).value = None
        return Response()

    async with site.visitor() as visitor:
        await visitor.get("/update?theme=dark")
        await visitor.get("/login")
        assert (await visitor.get("/show")).json() == {"theme": "dark", "uname": "ada", "roles": ["admin"]}
        await visitor.get("/logout")
        assert (await visitor.get("/show")).json() == {"theme": "dark"}


async def test_clearing_the_session_wins(make_site, store):
    """A session that the application clears stays clear, although a value taken from it was changed before."""
    site = make_site(store, lifetime=60)

    @site.view
    async def leave(request):
        (await load_typed_session(request, ModelCart)).value.items.append("apple")
        request.session.clear()
        return Response()

    async with site.visitor() as visitor:
        await visitor.get("/update?theme=dark")
        assert (await visitor.get("/leave")).headers["set-cookie"].startswith("session='';")
        assert (await visitor.get("/show")).json() == {}


async def test_values_of_the_wrong_type(make_site):
    """A field that was given a value of another type is an error that names it, and nothing is stored."""
    store = InMemoryStore()
    site = make_site(store, lifetime=60)

    @site.view
    async def spoil(request):
        (await load_typed_session(request, ModelCart)).value.items = 5
        return Response()

    async with site.visitor() as visitor:
        with pytest.raises(TypeError, match="ModelCart cannot be stored") as error:
            await visitor.get("/spoil")
    assert "items" in str(error.value) or "list" in str(error.value)
    assert not store.data


async def test_a_shape_without_fields_needs_a_key(make_site):
    """A type that has no fields can only be one entry of the session, and the error says how to name it."""
    site = make_site(InMemoryStore(), lifetime=60)

    @site.view
    async def numbers(request):
        with pytest.raises(ImproperlyConfigured, match="key="):
            await load_typed_session(request, list[int])
        return Response()

    async with site.visitor() as visitor:
        assert (await visitor.get("/numbers")).status_code == 200


def cart_api():
    """An API whose endpoints, sync and async, take the session by dependency."""
    api = FastAPI()
    api.add_middleware(SessionMiddleware, store=InMemoryStore(), lifetime=60)

    @api.post("/login")
    def login(uname: str, session: Annotated[TypedSession[Login], Depends(typed_session_of(Login))]) -> None:
        session.value = Login(uname=uname)

    @api.get("/me")
    def me(login: Annotated[Login, Depends(session_of(Login))]) -> str:
        return login.uname

    @api.get("/greeting")
    def greeting(login: Annotated[Login | None, Depends(session_of(Login, required=False))]) -> str:
        return f"Hello {login.uname if login else 'stranger'}"

    @api.post("/cart/{item}")
    def add(item: str, cart: Annotated[DataclassCart, Depends(session_of(DataclassCart))]) -> list[str]:
        cart.items.append(item)
        return cart.items

    @api.post("/visits")
    async def visits(session: SessionDict) -> int:
        session["visits"] = session.get("visits", 0) + 1
        return session["visits"]

    @api.websocket("/shop")
    async def shop(socket: WebSocket, cart: Annotated[ModelCart, Depends(session_of(ModelCart))]) -> None:
        await socket.accept()
        async for item in socket.iter_text():
            cart.items.append(item)
            await socket.send_json(cart.items)

    return api


async def test_fastapi_dependencies():
    """Endpoints are given the session's data; without a login they answer 401, or are given None if they ask."""
    transport = httpx.ASGITransport(app=cart_api())
    async with httpx.AsyncClient(transport=transport, base_url="https://site.example") as visitor:
        assert (await visitor.get("/me")).status_code == 401
        assert (await visitor.get("/greeting")).json() == "Hello stranger"
        await visitor.post("/login?uname=ada")
        assert (await visitor.get("/me")).json() == "ada"
        assert (await visitor.get("/greeting")).json() == "Hello ada"
        await visitor.post("/cart/apple")
        assert (await visitor.post("/cart/pear")).json() == ["apple", "pear"]
        assert [(await visitor.post("/visits")).json() for _ in range(2)] == [1, 2]


def test_fastapi_websockets():
    """A WebSocket's value is stored when the conversation ends, if the session was there before."""
    with TestClient(cart_api(), base_url="https://site.example") as visitor:
        visitor.post("/visits")
        with visitor.websocket_connect("wss://site.example/shop") as socket:
            socket.send_text("apple")
            assert socket.receive_json() == ["apple"]
        assert visitor.post("/cart/pear").json() == ["apple", "pear"]


def test_openapi_shows_no_session():
    """The dependencies add neither parameters nor bodies nor security schemes to the OpenAPI document."""
    document = cart_api().openapi()
    parameters = {
        path: [parameter["name"] for parameter in operation.get("parameters", ())]
        for path, operations in document["paths"].items()
        for operation in operations.values()
    }
    assert parameters == {"/login": ["uname"], "/me": [], "/greeting": [], "/cart/{item}": ["item"], "/visits": []}
    assert "requestBody" not in str(document)
    assert "securitySchemes" not in str(document)


async def test_the_log_does_not_quote_a_visitor(make_site, store, caplog):
    """The report of data that do not fit names the field, and no key inside of it, which may be of a visitor's making."""

    class Settings(TypedDict):
        colours: dict[str, int]

    site = make_site(store, lifetime=60)

    @site.view
    async def put(request):
        request.session["colours"] = {"red\nERROR all is lost": "high"}
        return Response()

    @site.view
    async def read(request):
        return JSONResponse((await load_typed_session(request, Settings)).value)

    async with site.visitor() as visitor:
        await visitor.get("/put")
        with caplog.at_level(logging.WARNING, logger="starsessions"):
            await visitor.get("/read")
    (record,) = caplog.records
    assert record.reason == "colours (int_parsing)"
