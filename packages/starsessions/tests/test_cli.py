"""The command `starsessions`: a user's sessions, listed and ended from outside of the application."""

import asyncio
import json
import subprocess
import sys
import time

import pytest
from redis.asyncio import Redis

from starsessions import generate_session_id
from starsessions.cli import main
from starsessions.ids import hash_id
from starsessions.stores.redis import RedisStore
from starsessions.stores.user_index import UserSession


def sign_in(redis_url, *users, **options):
    """Store a session for each of the users; return their ids."""

    async def store_sessions():
        async with Redis.from_url(redis_url) as client:
            store = RedisStore(connection=client, **options)
            for number, (user, session_id) in enumerate(zip(users, ids, strict=True)):
                await store.write(session_id, b"{}", lifetime=600, ttl=600)
                entry = UserSession("", "Firefox on\x1b[2J Linux", created=1e9, last_seen=time.time() - number)
                await store.users.put(user, session_id, entry, 600)

    ids = [generate_session_id() for _ in users]
    asyncio.run(store_sessions())
    return ids


@pytest.fixture
def sessions(redis_url, monkeypatch):
    """Two sessions of Ada's and one of Bob's; returns their ids."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    return sign_in(redis_url, "ada", "ada", "bob")


def test_listing(sessions, capsys):
    """`list` prints a line for each session, the one last seen first, and nothing that a terminal would obey."""
    assert main(["list", "ada"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [hash_id(sessions[0]), hash_id(sessions[1])]
    assert "2001-09-09T01:46:40+00:00" in lines[0]
    assert lines[0].endswith("Firefox on?[2J Linux")


def test_listing_as_json(sessions, capsys):
    """`list --json` prints one document for programs; a user without sessions has an empty list."""
    assert main(["list", "bob", "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert (entry["handle"], entry["created"]) == (hash_id(sessions[2]), 1e9)
    assert main(["list", "nobody", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_ending_one(sessions, capsys):
    """`revoke --handle` ends one session; a second time, or with an id in place of a handle, it says so and exits with 1."""
    assert main(["revoke", "ada", "--handle", hash_id(sessions[0])]) == 0
    assert capsys.readouterr().out == "1 ended\n"
    for handle in (hash_id(sessions[0]), sessions[1]):
        assert main(["revoke", "ada", "--handle", handle]) == 1
        assert "has no session" in capsys.readouterr().err
    assert main(["list", "ada"]) == 0
    assert hash_id(sessions[1]) in capsys.readouterr().out


def test_ending_all(sessions, redis_url, monkeypatch, tmp_path, capsys):
    """`revoke --all` ends all of a user's sessions and no others; the URL may be in a file."""
    file = tmp_path / "url"
    file.write_text(redis_url)
    monkeypatch.delenv("REDIS_URL")
    assert main(["revoke", "ada", "--all", "--url", f"file:{file}"]) == 0
    assert capsys.readouterr().out == "2 ended\n"
    assert main(["list", "bob", "--url", f"file:{file}"]) == 0
    assert hash_id(sessions[2]) in capsys.readouterr().out


def test_options_of_the_store(redis_url, monkeypatch):
    """The prefix is that of the application's store, hashed ids are found without a word; it is a module as well."""
    monkeypatch.setenv("SESSIONS", redis_url)
    sign_in(redis_url, "ada", prefix="shop:", hash_ids="always")
    command = ["revoke", "ada", "--all", "--url", "env:SESSIONS", "--prefix", "shop:"]
    for ended in ("1 ended\n", "0 ended\n"):
        run = subprocess.run([sys.executable, "-m", "starsessions", *command], capture_output=True, text=True)
        assert (run.returncode, run.stdout) == (0, ended)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["list", "ada", "--url", "redis://:secret@127.0.0.1"], 2, "env:NAME or file:/path"),
        (["revoke", "ada"], 2, "--handle"),
        (["list"], 2, "USER"),
        (["list", "ada", "--url", "env:NO_SUCH_VARIABLE"], 1, "NO_SUCH_VARIABLE"),
        (["list", "ada", "--url", "env:DEAF"], 1, "Redis"),
    ],
    ids=["password on the command line", "nothing chosen", "no user", "no URL", "no server"],
)
def test_errors(arguments, status, message, monkeypatch, capsys):
    """Wrong usage exits with 2 and what cannot be done with 1; the message says what to do and shows no password."""
    monkeypatch.setenv("DEAF", "redis://:secret@127.0.0.1:1")
    try:
        found = main(arguments)
    except SystemExit as stop:
        found = stop.code
    said = capsys.readouterr().err
    assert (found, message in said, "secret" in said) == (status, True, False), said
