"""Which sessions are loaded without being asked for."""

import pytest
from starlette.requests import HTTPConnection

from starsessions import InMemoryStore, SessionAutoloadMiddleware, SessionMiddleware, is_loaded

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("path", ["/app/\udcff", "/app/\x00", "/app?x#y", "//app", ""], ids=ascii)
@pytest.mark.parametrize("query", [b"\xff\xfe", b"a=%ff", b"="])
async def test_autoload_of_odd_paths(path, query):
    """A path or query that is no UTF-8 is loaded or not, as its beginning says, and fails no request."""
    loaded = []

    async def app(scope, receive, send):
        loaded.append(is_loaded(HTTPConnection(scope)))

    stack = SessionMiddleware(SessionAutoloadMiddleware(app, paths=["/app"]), store=InMemoryStore())
    scope = {"type": "http", "path": path, "raw_path": b"/app/\xff", "query_string": query, "headers": []}
    await stack(scope, None, None)
    assert loaded == [path.startswith("/app")]
