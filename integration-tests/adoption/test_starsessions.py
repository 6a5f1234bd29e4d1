"""A shop moves from starsessions 2.2.1 to ours and back; its visitors keep their baskets."""

import contextlib
import time
from http.cookiejar import CookieJar
from pathlib import Path

import httpx
import pytest

from adoption.environment import commands_of

PAGE = "docs/packages/starsessions/upgrading.md"
PROJECT = Path(__file__).parent / "starsessions"
STARTING = 120  # seconds


class Server:
    """The shop, run by an environment, on a socket of its own; `folder` is for its log."""

    def __init__(self, environment, folder, variables):
        # A socket's path may have about a hundred characters, which a test's own folder can exceed.
        self._socket = environment.guard.folder / f"{environment.folder.name}.sock"
        self._socket.unlink(missing_ok=True)
        command = ("uvicorn", "shop:app", "--uds", self._socket)
        self.process = environment.start(
            *command, cwd=PROJECT, log=folder / f"{environment.folder.name}.log", variables=variables
        )
        deadline = time.monotonic() + STARTING
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(self.process.tail(40))
            time.sleep(0.1)

    def _answers(self):
        with contextlib.suppress(httpx.TransportError):
            return self.ask("GET", "/", CookieJar()).is_success
        return False

    def ask(self, method, path, cookies):
        transport = httpx.HTTPTransport(uds=str(self._socket))
        with httpx.Client(transport=transport, base_url="http://shop.example", cookies=cookies, timeout=60) as client:
            return client.request(method, path)


class Visitor:
    """A browser: its cookies go to whichever server answers."""

    def __init__(self):
        self.cookies = CookieJar()

    def post(self, server, path):
        return server.ask("POST", path, self.cookies).raise_for_status().json()

    def session(self, server):
        return server.ask("GET", "/", self.cookies).raise_for_status().json()


@pytest.fixture(params=["redis", "cookie"])
def variables(request, redis_url):
    """What configures the shop."""
    return {"SHOP_STORE": request.param, "REDIS_URL": redis_url, "SHOP_KEY": "the same key before and after the move"}


@pytest.fixture
def make_shop(make_environment, variables, tmp_path):
    """A function that makes an environment with the upstream package, and one that starts the shop in it."""

    def start(environment):
        return Server(environment, tmp_path, variables)

    def make():
        return make_environment("starsessions[redis]==2.2.1", "uvicorn")

    return make, start


def test_a_shop_moves_here_and_back(make_shop):
    """Sessions of each package are read and changed by the other, side by side and one after the other."""
    make, start = make_shop
    remaining, moving = make(), make()
    old = start(remaining)
    ada, bob, eve, carol = (Visitor() for _ in range(4))
    ada.post(old, "/login/ada")
    for visitor in (ada, bob, eve):
        visitor.post(old, "/basket/apple")

    moving.script(commands_of(PAGE, "to-pentad"))
    assert {"pentad-starsessions", "starsessions"} & set(moving.versions()) == {"pentad-starsessions"}
    new = start(moving)
    for visitor in (ada, bob):
        visitor.post(new, "/basket/bread")
        visitor.post(old, "/basket/cheese")
        assert visitor.session(new)["basket"] == ["apple", "bread", "cheese"]
    assert eve.post(new, "/logout") == {}
    assert eve.session(old) == {}
    carol.post(new, "/login/carol")
    carol.post(new, "/basket/pear")

    for server in (old, new):
        assert server.process.stop(grace=60) in (0, -15)
    moving.script(commands_of(PAGE, "to-starsessions"))
    assert moving.versions()["starsessions"] == "2.2.1"
    back = start(moving)
    assert ada.session(back) == {"user": "ada", "basket": ["apple", "bread", "cheese"]}
    assert bob.session(back) == {"basket": ["apple", "bread", "cheese"]}
    assert carol.post(back, "/basket/plum") == {"user": "carol", "basket": ["pear", "plum"]}
    assert eve.session(back) == {}
