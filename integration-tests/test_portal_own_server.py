"""What the front door learns of a visitor's notebook server, and what it does while the hub does not tell."""

import asyncio
import sys
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "examples" / "portal"))

from portal.front.own_server import OwnServer, OwnServers
from portal.identity import Visitor, hub_tickets, server_tickets
from portal.tickets import BadTicketError
from portal.web.pages import environment

from pentad_config import KeyRing

SETTINGS = SimpleNamespace(hub_url="http://hub.example", signing_keys=KeyRing("k" * 40))
ADA = Visitor("ada", "Ada Lindqvist", "researcher")


def ask(hub):
    """What the front door learns from this hub, a function of the request."""

    async def play():
        async with httpx.AsyncClient(transport=httpx.MockTransport(hub)) as client:
            return await OwnServers(SETTINGS, client).of(ADA)

    return asyncio.run(play())


def test_the_hub_is_asked_with_a_ticket_that_opens_nothing():
    """The ticket names the visitor; the hub takes it for no sign-in."""
    tickets = []

    def hub(request):
        tickets.append(request.headers["authorization"].removeprefix("Portal "))
        return httpx.Response(200, json={"state": "ready", "time_left": "59 minutes", "last_end": ""})

    assert ask(hub) == OwnServer("ready", "59 minutes", "")
    assert server_tickets(SETTINGS.signing_keys).read(tickets[0]) == {"name": "ada"}
    with pytest.raises(BadTicketError):
        hub_tickets(SETTINGS.signing_keys).read(tickets[0])


@pytest.mark.parametrize(
    ("server", "words"),
    [
        (OwnServer("ready", "2 hours", ""), "is running and ends in <strong>2\N{NO-BREAK SPACE}hours</strong>."),
        (OwnServer("spawn", "", ""), "Your server is starting."),
        (OwnServer("stop", "", ""), "Your server is being stopped."),
        (OwnServer("", "", "its time was over"), "Your last server ended: its time was over."),
    ],
)
def test_the_page_says_how_the_server_is(server, words):
    """Whether it runs and until when, or why the last one ended that nobody stopped."""
    known = {"path": "/notebooks", "visitor": ADA, "form_token": "", "hub_url": SETTINGS.hub_url, "load": []}
    template = environment(static_url="/").get_template("notebooks.html")
    assert words in template.render(**known, server=server, profiles={}, was_refused=False)


def away(request):
    raise httpx.ConnectError("refused", request=request)


@pytest.mark.parametrize(
    "hub",
    [away, lambda _: httpx.Response(503), lambda _: httpx.Response(404), lambda _: httpx.Response(200, text="<p>")],
)
def test_a_hub_that_does_not_tell_is_one_line_in_the_log(hub, caplog):
    """The page does without; neither ticket nor address is written down."""
    assert ask(hub) is None
    (line,) = [record.getMessage() for record in caplog.records if record.name == "portal.front.own_server"]
    assert line.startswith("The hub does not say how a visitor's server is: ")
    assert "hub.example" not in line
