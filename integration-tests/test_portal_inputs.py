"""What the portal does with input that no honest form sends.

PORTAL_DENSE_MB is the size of the dense files (2); the largest that is accepted has 50.
"""

import asyncio
import io
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Form, Request
from starlette.responses import PlainTextResponse, Response

sys.path.append(str(Path(__file__).resolve().parents[1] / "examples" / "portal"))

from portal.catalogue.datasets.profile import MOST_CELLS, MOST_COLUMNS, NotTabularError, profile_csv
from portal.front.catalogue_proxy import LARGEST_BODY, CatalogueProxy
from portal.front.forms import SmallForms, local_path, same_origin
from portal.identity import IdentityHeader
from portal.private_files import write_private
from portal.web.pages import counted, filesize

from pentad_config import KeyRing

DENSE_BYTES = int(os.environ.get("PORTAL_DENSE_MB", "2")) * 1_000_000


def through_the_proxy(method: str, path: str, *, reached: list[str] | None = None, **options) -> httpx.Response:
    """The answer of an application behind the front door's proxy; it counts the bytes that reach it."""
    behind, front = FastAPI(), FastAPI()

    @behind.api_route("/{path:path}", methods=["GET", "POST"])
    async def answer(request: Request) -> Response:
        if reached is not None:
            reached.append(request.url.path)
        length = len(await request.body())
        return PlainTextResponse(f"read {length}", headers={"X-Content-Type-Options": "nosniff", "Server": "inner"})

    class InUpperCase(httpx.ASGITransport):
        """Header names as a server over HTTP/1.1 may write them."""

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            inner = await super().handle_async_request(request)
            names = [(name.title(), value) for name, value in inner.headers.raw]
            return httpx.Response(inner.status_code, headers=names, stream=inner.stream)

    async def visit() -> httpx.Response:
        identity = IdentityHeader(KeyRing("k" * 40))
        async with httpx.AsyncClient(transport=InUpperCase(app=behind), base_url="http://behind") as inner:
            proxy = CatalogueProxy(inner, identity, "session")

            @front.api_route("/{path:path}", methods=["GET", "POST"])
            async def pass_on(request: Request) -> Response:
                request.scope["session"] = {}
                response = await proxy(request)
                response.headers.setdefault("x-content-type-options", "nosniff")
                return response

            async with httpx.AsyncClient(transport=httpx.ASGITransport(app=front), base_url="http://front") as client:
                return await client.request(method, path, **options)

    return asyncio.run(visit())


async def chunks() -> AsyncIterator[bytes]:
    yield b"x" * 10


def test_a_header_of_the_catalogue_is_not_said_twice():
    """A header that both sides set arrives once, and the inner server's name does not arrive."""
    answer = through_the_proxy("GET", "/catalogue/")
    assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
    assert "server" not in answer.headers


def test_a_body_within_the_limit_is_passed_on():
    """An upload reaches the catalogue whole."""
    assert through_the_proxy("POST", "/catalogue/new", content=b"x" * 1000).text == "read 1000"


def test_a_body_above_the_limit_is_refused_unread():
    """A request that announces more than the catalogue takes gets 413."""
    headers = {"Content-Length": str(LARGEST_BODY + 1)}
    assert through_the_proxy("POST", "/catalogue/new", content=b"", headers=headers).status_code == 413


def test_a_body_without_a_length_is_refused():
    """A request whose body could be endless gets 411."""
    assert through_the_proxy("POST", "/catalogue/new", content=chunks()).status_code == 411


def test_a_body_that_never_ends_arriving_does_not_occupy_the_catalogue(monkeypatch):
    """Who sends a part of what was announced, and then nothing, gets 408; the catalogue hears nothing of it."""

    async def stalling() -> AsyncIterator[bytes]:
        yield b"x" * 10
        await asyncio.Event().wait()

    monkeypatch.setattr(CatalogueProxy, "UPLOAD_SECONDS", 0.05)
    reached: list[str] = []
    headers = {"Content-Length": "1000"}
    answer = through_the_proxy("POST", "/catalogue/new", content=stalling(), headers=headers, reached=reached)
    assert answer.status_code == 408
    assert reached == []


def test_a_form_of_the_front_door_longer_than_any_is_refused_unread():
    """A route of small forms answers 413 to a long one, and 411 to one of unknown length, before it reads them."""
    front, read = FastAPI(), []
    router = APIRouter(route_class=SmallForms)

    @router.post("/sign-in")
    async def sign_in(name: Annotated[str, Form()]) -> str:
        read.append(name)
        return name

    front.include_router(router)

    async def visit(**options) -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=front), base_url="http://front") as client:
            return (await client.post("/sign-in", **options)).status_code

    assert asyncio.run(visit(data={"name": "ada"})) == 200
    assert asyncio.run(visit(data={"name": "a" * 20_000})) == 413
    assert asyncio.run(visit(files={"name": b"a" * 20_000})) == 413
    assert asyncio.run(visit(content=chunks())) == 411
    assert read == ["ada"]


@pytest.mark.parametrize("origin", ["http://[", "null", "", "http://front.example", "https://front"])
def test_an_address_that_is_none_is_another_site(origin: str):
    """Whatever a browser, or somebody who is none, says as its origin is compared and breaks nothing."""
    assert not same_origin(origin, "http://front")


def test_numbers_too_far_apart_for_a_histogram_are_still_described():
    """Two numbers whose difference is more than a float holds give a range and no bars."""
    (column,) = profile_csv(io.BytesIO(b"a\n-1e308\n1e308\n"))["columns"]
    assert column["range"] == "-1e+308 to 1e+308"
    assert column["bins"] == []


@pytest.mark.parametrize(
    "target", ["//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example", "x", "//["]
)
def test_sign_in_leads_to_no_other_site(target: str):
    """What is not a path of this site becomes the home page."""
    assert local_path(target) == "/"


def test_a_file_with_too_many_columns_is_refused():
    """Its description would fill the page and the event; the message says how many are allowed."""
    header = ",".join(f"v{number}" for number in range(MOST_COLUMNS + 1))
    with pytest.raises(NotTabularError, match=f"at most {MOST_COLUMNS} here"):
        profile_csv(io.BytesIO(f"{header}\n{header}\n".encode()))


@pytest.mark.parametrize("columns", [1, 20, MOST_COLUMNS])
def test_a_dense_file_is_counted_whole_and_described_by_a_bounded_number_of_values(columns: int):
    """Every row is counted; how many values are described, which takes the time, does not grow with the file."""
    row = ",".join("7" * columns).encode() + b"\n"
    rows = DENSE_BYTES // len(row)
    header = ",".join(f"v{number}" for number in range(columns)).encode() + b"\n"
    profile = profile_csv(io.BytesIO(header + row * rows))
    assert profile["row_count"] == rows
    assert profile["described_rows"] == MOST_CELLS // columns < rows
    assert len(profile["columns"]) == columns


def test_a_small_file_is_described_by_all_its_rows():
    """Below the limit nothing is left out."""
    profile = profile_csv(io.BytesIO(b"a,b\n1,x\n2,y\n"))
    assert (profile["row_count"], profile["described_rows"]) == (2, 2)


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        ("2026-06-28 2026-06-01 NA", "date", "2026-06-01 to 2026-06-28"),
        ("2026-06-31 2026-06-01", "category", "2026-06-01, 2026-06-31"),  # June has thirty days
        ("2026-W01-1 2026-W02-1", "category", "2026-W01-1, 2026-W02-1"),
        ("NA NA", "category", ""),
    ],
)
def test_a_variable_of_days_is_described_from_the_first_to_the_last(cells: str, kind: str, values: str):
    """A column that holds nothing but days is a date; as soon as one value is none, it is described as words."""
    (column,) = profile_csv(io.BytesIO("\n".join(["day", *cells.split()]).encode()))["columns"]
    assert (column["kind"], column["range"]) == (kind, values)


def test_numbers_stand_before_the_right_word_and_are_not_parted_from_it():
    """One is singular, thousands are set apart, and a line does not end between a number and its unit."""
    assert [counted(number, "row") for number in (0, 1, 12500)] == ["0\xa0rows", "1\xa0row", "12,500\xa0rows"]
    sizes = ["1\xa0byte", "999\xa0bytes", "15.2\xa0kB", "18.6\xa0MB"]
    assert [filesize(number) for number in (1, 999, 15_241, 18_600_000)] == sizes


def test_a_late_row_of_another_length_is_still_refused():
    """Rows that are not described are checked all the same."""
    with pytest.raises(NotTabularError, match=f"Row {MOST_CELLS + 2} has 2\xa0values"):
        profile_csv(io.BytesIO(b"a\n" + b"1\n" * MOST_CELLS + b"1,2\n"))


def test_a_private_file_is_its_owners_alone_and_never_half_written(tmp_path):
    """Whatever stood there, the file is open to nobody else; a failure while writing leaves the old text."""
    path = tmp_path / "key"
    path.write_text("old")
    path.chmod(0o644)
    with pytest.raises(UnicodeEncodeError):
        write_private(path, "\ud800")
    assert path.read_text() == "old"
    write_private(path, "new")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o600)
