"""What the portal's front door tells and grants to strangers: tries, the state of its parts, tickets."""

import asyncio
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from redis.asyncio import Redis

sys.path.append(str(Path(__file__).resolve().parents[1] / "examples" / "portal"))

from portal.front import status
from portal.front.shared_answer import SharedAnswer
from portal.front.sign_in_limit import SignInLimit
from portal.front.status import StatusBoard
from portal.settings import SESSION_COOKIE, FrontDoorSettings
from portal.tickets import BadTicketError, Tickets

from pentad_config import KeyRing

KEYS = KeyRing("k" * 40)
STRANGER, VICTIM = "198.51.100.7", "203.0.113.9"


def with_limit(redis_url, scenario):
    """Run a scenario on a limit that counts in a real Redis."""

    async def play():
        async with Redis.from_url(redis_url) as redis:
            await scenario(SignInLimit(redis, KEYS))

    asyncio.run(play())


def test_who_guesses_is_held_off(redis_url):
    """After ten tries of a name from one address, the eleventh is refused."""

    async def scenario(limit):
        assert [await limit.allows("ada", STRANGER) for _ in range(11)] == [True] * 10 + [False]

    with_limit(redis_url, scenario)


def test_a_stranger_elsewhere_locks_nobody_out(redis_url):
    """Tries from one address leave those from another untouched."""

    async def scenario(limit):
        for _ in range(50):
            await limit.allows("ada", STRANGER)
        assert await limit.allows("ada", VICTIM)

    with_limit(redis_url, scenario)


def test_a_stranger_at_the_same_address_does_not_lock_out_a_known_browser(redis_url):
    """A browser in which the password was right before has tries of its own; it has no more than ten either."""

    async def scenario(limit):
        known = limit.know("ada")
        for _ in range(200):
            await limit.allows("ada", VICTIM)
        assert [await limit.allows("ada", VICTIM, known) for _ in range(11)] == [True] * 10 + [False]
        assert not await limit.allows("grace", VICTIM, known)  # it is known for its own name only
        assert not await limit.allows("ada", VICTIM, known + "x")

    with_limit(redis_url, scenario)


def test_one_address_does_not_try_a_password_on_every_name(redis_url):
    """After a hundred tries of whatever names, an address is refused; so is its whole IPv6 network."""

    async def scenario(limit):
        for number in range(100):
            assert await limit.allows(f"name-{number}", f"2001:db8::{number:x}")
        assert not await limit.allows("one-more", "2001:db8::ffff")
        assert await limit.allows("one-more", "2001:db8:0:1::1")

    with_limit(redis_url, scenario)


def test_a_place_of_many_people_is_not_locked_out_by_right_passwords(redis_url):
    """Each right password gives back its own try, and none of those that guessed meanwhile."""

    async def scenario(limit):
        for number in range(150):
            assert await limit.allows(f"name-{number}", STRANGER)
            await limit.forget(f"name-{number}", STRANGER)
        for number in range(100):
            assert await limit.allows(f"other-{number}", STRANGER)
            assert await limit.allows("ada", STRANGER) or number == 99
            await limit.forget("ada", STRANGER)
        assert not await limit.allows("one-more", STRANGER)

    with_limit(redis_url, scenario)


def test_a_right_password_starts_the_count_afresh(redis_url):
    """Who got in after nine tries has ten again."""

    async def scenario(limit):
        for _ in range(9):
            await limit.allows("ada", VICTIM)
        await limit.forget("ada", VICTIM)
        assert [await limit.allows("ada", VICTIM) for _ in range(10)] == [True] * 10

    with_limit(redis_url, scenario)


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """A Slurm whose sinfo notes each call, fails, and says what only the log may say."""
    calls = tmp_path / "calls"
    sinfo = tmp_path / "sinfo"
    sinfo.write_text(f"#!/bin/sh\necho called >> {calls}\necho 'refused by 10.1.2.3' >&2\nexit 1\n")
    sinfo.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(status, "_DEADLINE", 120)  # what it says counts here, not how fast a busy machine starts it
    return calls


def settings_with(redis_url):
    """What a front door needs to know, with nothing but Redis behind it."""
    return {
        "PORTAL_PUBLIC_URL": "http://front", "PORTAL_HUB_URL": "http://127.0.0.1:1", "PORTAL_STATE": "/nowhere",
        "PORTAL_REDIS_URL": redis_url, "PORTAL_SIGNING_KEYS": "k" * 40, "PORTAL_SESSION_KEYS": "k" * 43 + "=",
        "PORTAL_CATALOGUE_URL": "http://behind", "PORTAL_S3_ENDPOINT": "s3:1",
    }  # fmt: skip


def looked_at(redis_url, times, look_at=StatusBoard.read):
    """What so many visitors who look at the board at once see, and how often the catalogue was asked."""
    behind, asked = FastAPI(), []

    @behind.get("/catalogue/health")
    async def health() -> dict:
        asked.append(1)
        names = ("catalogue", "database", "follower", "files")
        return {name: {"works": True, "detail": "release 7"} for name in names}

    async def look():
        settings = FrontDoorSettings.load(environ=settings_with(redis_url))
        transport = httpx.ASGITransport(app=behind)
        async with (
            httpx.AsyncClient(transport=transport, base_url="http://behind") as client,
            Redis.from_url(redis_url) as redis,
        ):
            board = StatusBoard(settings, client, redis)
            return await asyncio.gather(*(look_at(board) for _ in range(times)))

    return asyncio.run(look()), len(asked)


def test_many_looks_at_the_status_ask_the_parts_once(redis_url, asked):
    """Views at the same time share one probe: one sinfo, one question to the catalogue."""
    boards, questions = looked_at(redis_url, 20)
    assert len(boards) == 20
    assert questions == 1
    assert asked.read_text() == "called\n"


def test_an_answer_that_no_longer_lasts_is_asked_for_anew():
    """How long an answer is shown again depends on it: the status of a part that is down does not last."""
    asked = []

    async def ask() -> int:
        asked.append(1)
        return len(asked)

    async def look() -> list[int]:
        shared = SharedAnswer(ask, lambda answer: -1 if answer == 1 else 1000)
        return [await shared.read() for _ in range(3)]

    assert asyncio.run(look()) == [1, 2, 2]


def test_the_status_says_nothing_of_errors(redis_url, asked, caplog):
    """A part that is down is so in the portal's own words; what it said is in the log."""
    with caplog.at_level(logging.ERROR):
        ((board, *_), _) = looked_at(redis_url, 1)
    slurm = next(part for part in board if part.name == "Compute")
    assert (slurm.works, slurm.detail) == (False, "does not answer as it should")
    assert "refused by 10.1.2.3" in caplog.text


def test_a_slurm_that_is_down_is_one_line_in_the_log(redis_url, asked, caplog):
    """However many look at the notebooks page meanwhile, the log has the reason once, without a traceback."""
    with caplog.at_level(logging.ERROR):
        loads, _ = looked_at(redis_url, 20, StatusBoard.load)
    assert loads == [[]] * 20
    (record,) = caplog.records
    assert (record.getMessage(), record.exc_info) == (
        "Slurm does not say how busy it is: RuntimeError: refused by 10.1.2.3",
        None,
    )


def test_the_log_has_a_line_for_each_part_that_is_down(redis_url, asked, caplog):
    """What the hub and Slurm answered is there, without a traceback."""
    with caplog.at_level(logging.ERROR):
        looked_at(redis_url, 1)
    hub, slurm = sorted(caplog.messages)
    assert hub.startswith("Notebooks (JupyterHub) does not work: HTTPStatusError: Client error '404 Not Found'")
    assert slurm.startswith("Slurm does not say how busy it is: ")
    assert [line[:5] for line in caplog.text.splitlines()] == ["ERROR", "ERROR"]


def test_the_public_status_has_no_versions(redis_url, asked):
    """Strangers see that a part answers; versions and counts are for members."""
    ((board, *_), _) = looked_at(redis_url, 1)
    catalogue = next(part for part in board if part.name == "Catalogue")
    assert catalogue.detail == "release 7"
    assert catalogue.in_public().detail == "answers"


VISIT = """
import asyncio, json, sys
import httpx
from portal.front.app import create_app

async def visit():
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=create_app()), base_url="http://front") as client:
        answer = await client.get("/status", headers={"Cookie": sys.argv[1]})
    print(json.dumps([answer.status_code, dict(answer.headers), answer.text]))

asyncio.run(visit())
"""


def test_sessions_that_are_away_are_a_page():
    """While Redis does not answer, a visitor reads so in the portal's frame; programs see 503 and when to come back."""
    cookie = f"{SESSION_COOKIE}={'a' * 43}"
    environment = (
        os.environ | settings_with("redis://127.0.0.1:1/0") | {"PYTHONPATH": str(Path(status.__file__).parents[2])}
    )
    printed = subprocess.run([sys.executable, "-c", VISIT, cookie], env=environment, stdout=subprocess.PIPE, check=True)
    status_code, headers, text = json.loads(printed.stdout)
    assert status_code == 503
    assert int(headers["retry-after"]) > 0
    assert "<h1>Not just now</h1>" in text
    assert "default-src 'none'" in headers["content-security-policy"]


def test_a_refused_ticket_is_not_in_its_error():
    """The error of a forged ticket, which is logged, holds no part of the ticket, and no cause that does."""
    issued = Tickets(KEYS, "hub", seconds=30).issue(name="ada")
    for ticket, reading in ((issued + "x", "hub"), (issued, "identity"), ("nonsense", "hub")):
        with pytest.raises(BadTicketError) as caught:
            Tickets(KEYS, reading, seconds=30).read(ticket)
        assert not [part for part in ticket.split(".") if part in str(caught.value)]
        assert caught.value.__suppress_context__
