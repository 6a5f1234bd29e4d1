"""Which part of the portal is given which keys, and what becomes of data from before sessions and events had any."""

import asyncio
import json
import os
import subprocess
import sys
from base64 import b64decode
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from redis.asyncio import Redis

sys.path.append(str(Path(__file__).resolve().parents[1] / "examples" / "portal"))

from portal.check.key_steps import opens_event, opens_session
from portal.front import accounts
from portal.launcher.environment import Addresses, Environments, SecretFiles
from portal.launcher.key_files import put_new_key_on_top
from portal.launcher.plain_sessions import may_hold_plain_sessions
from portal.settings import SESSION_COOKIE, SESSION_PREFIX, SESSION_SECONDS

from pentad_config import Secret
from starsessions.encryptors import AESGCMEncryptor
from starsessions.stores.redis import RedisStore
from starsessions.testing import session_cookies

EXAMPLE = Path(accounts.__file__).parents[2]
SESSION = {"visitor": {"name": "ada", "display": "Ada", "role": "researcher"}, "form_token": "t" * 43}


@pytest.fixture
def environments(tmp_path):
    """What the launcher tells hub, front door and catalogue, by part."""
    made = Environments(tmp_path, Addresses(1, 2, 3, 4, 5), "portal")
    redis = SimpleNamespace(address=Secret("redis://127.0.0.1:1/0"))
    slurm = SimpleNamespace(environ={}, bin_dir=tmp_path)
    keys = SimpleNamespace(access=Secret("a" * 20), secret=Secret("s" * 40))
    s3 = SimpleNamespace(endpoint="127.0.0.1:1", secure=False, region="us-east-1", keys=keys)
    return {
        "hub": made.of_hub(redis, slurm),
        "front": made.of_front_door(redis, slurm, s3),
        "catalogue": made.of_catalogue(redis, slurm, s3, Secret("postgresql://127.0.0.1:1/portal")),
    }


@pytest.mark.parametrize(
    ("file", "parts"),
    [
        ("session_keys", ["front"]),
        ("event_keys", ["catalogue"]),
        ("signing_keys", ["hub", "front", "catalogue"]),
        ("django_keys", ["catalogue"]),
    ],
)
def test_each_part_is_told_of_no_other_keys_than_its_own(environments, file, parts):
    """Sessions open to the front door alone and events to the catalogue alone; no environment holds a key."""
    named = {
        part: {value for value in told.values() if value.endswith(f"/{file}")} for part, told in environments.items()
    }
    assert [part for part, paths in named.items() if paths] == parts
    (path,) = named[parts[-1]]
    key = Path(path).read_text()
    assert Path(path).stat().st_mode & 0o777 == 0o600
    assert not [part for part, variables in environments.items() if key in "".join(variables.values())]


def test_a_new_key_stands_on_top_of_those_there_were(tmp_path):
    """The older keys stay, as what they encrypted does; a later start makes no others."""
    files = SecretFiles(tmp_path / "secrets")
    first = Path(files.aes_key("event_keys")).read_text()
    second = put_new_key_on_top(tmp_path / "secrets", "event_keys")
    assert Path(files.aes_key("event_keys")).read_text().split() == [second, first]
    assert [len(b64decode(key)) for key in (first, second)] == [32, 32]


@pytest.mark.parametrize(
    ("before", "seconds", "may"),
    [
        ([], 0, False),
        (["signing_keys"], 0, True),
        (["signing_keys"], SESSION_SECONDS + 1, False),
        (["signing_keys", "session_keys"], 0, False),
    ],
)
def test_plain_sessions_are_taken_as_long_as_they_last(tmp_path, before, seconds, may):
    """A folder whose portal had no keys for sessions may hold plain ones: for eight hours after it first got some."""
    files = SecretFiles(tmp_path / "secrets")
    for name in before:
        files.key(name)
    may_hold_plain_sessions(tmp_path)
    files.aes_key("session_keys")
    if (noted := tmp_path / "plain_sessions").exists():
        os.utime(noted, (noted.stat().st_atime, noted.stat().st_mtime - seconds))
    assert may_hold_plain_sessions(tmp_path) is may


LOOK = """
import asyncio, json, sys
import httpx
from portal.front.app import create_app

async def look():
    app = create_app()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://front") as client:
        print(json.dumps([(await client.get("/devices", headers={"Cookie": one})).status_code for one in sys.argv[1:]]))

asyncio.run(look())
"""


def front_door(environments, tmp_path, redis_url, *session_ids, **more):
    """What a front door with this Redis answers to browsers with these sessions on a page for members."""
    files = SecretFiles(tmp_path / "secrets")
    told = environments["front"] | {"PORTAL_REDIS_URL_FILE": files.keep("redis_url", Secret(redis_url))} | more
    cookies = [f"{SESSION_COOKIE}={one}" for one in session_ids]
    looked = subprocess.run(
        [sys.executable, "-c", LOOK, *cookies], env=told, capture_output=True, text=True, check=False
    )
    assert looked.returncode == 0, looked.stderr
    return json.loads(looked.stdout)


def stored(redis_url, *encryptors):
    """Store a session of Ada's with each encryptor; returns their ids."""

    async def store():
        async with Redis.from_url(redis_url) as redis:
            to = RedisStore(connection=redis, prefix=SESSION_PREFIX)
            options = {"lifetime": SESSION_SECONDS, "cookie_https_only": False}
            made = [await session_cookies(to, SESSION, encryptor=one, **options) for one in encryptors]
            return [next(iter(cookies.values())) for cookies in made]

    return asyncio.run(store())


def record(redis_url, session_id):
    """What Redis holds under an id."""

    async def read():
        async with Redis.from_url(redis_url) as redis:
            return await redis.get(SESSION_PREFIX + session_id)

    return asyncio.run(read())


@pytest.mark.parametrize(("plain_sessions", "answer"), [("yes", 200), ("no", 303)])
def test_a_session_from_before_encryption_opens_where_that_is_allowed(
    environments, tmp_path, redis_url, plain_sessions, answer
):
    """One that is encrypted opens in any case."""
    ring = AESGCMEncryptor((tmp_path / "secrets" / "session_keys").read_text())
    plain, encrypted = stored(redis_url, None, ring)
    answers = front_door(environments, tmp_path, redis_url, plain, encrypted, PORTAL_PLAIN_SESSIONS=plain_sessions)
    assert answers == [answer, 200]


def test_a_session_goes_on_under_a_new_key(environments, tmp_path, redis_url):
    """The session of an older key opens, and is stored with the newest one by that."""
    old = (tmp_path / "secrets" / "session_keys").read_text()
    (session_id,) = stored(redis_url, AESGCMEncryptor(old))
    new = put_new_key_on_top(tmp_path / "secrets", "session_keys")
    assert front_door(environments, tmp_path, redis_url, session_id) == [200]
    assert opens_session(new, record(redis_url, session_id), session_id)


def test_the_record_of_another_session_opens_nothing(environments, tmp_path, redis_url):
    """Who can write to Redis does not become somebody else by a copy of that person's record."""
    ring = AESGCMEncryptor((tmp_path / "secrets" / "session_keys").read_text())
    own, of_another = stored(redis_url, ring, ring)

    async def copy():
        async with Redis.from_url(redis_url) as redis:
            await redis.copy(SESSION_PREFIX + of_another, SESSION_PREFIX + own, replace=True)

    asyncio.run(copy())
    assert front_door(environments, tmp_path, redis_url, own, of_another) == [303, 200]


PLAIN = """
import django
django.setup()
from django.core.management import call_command
call_command("migrate", "eventsourcing_django", verbosity=0)
from portal.catalogue.datasets.curation import Curation
older = Curation(env={"PERSISTENCE_MODULE": "eventsourcing_django"})
particulars = {"file_key": "f", "file_name": "f.csv", "file_size": 3, "sha256": "0" * 64, "profile": {"row_count": 1}}
dataset = older.register(title="Counted before keys", registered_by="ada", **particulars)
older.describe(dataset, "Plain words.", ["nests"], "CC0-1.0", "ada")
print(dataset)
"""
ENCRYPT = """
import sys
from uuid import UUID
import django
django.setup()
from eventsourcing_django.models import StoredEventRecord
from portal.catalogue.datasets.pages import curation
from portal.catalogue.datasets.plain_events import all_events_have_keys, encrypt_plain_events
assert all_events_have_keys()
print(encrypt_plain_events(), curation().find(UUID(sys.argv[1])).title, sep="|")
cipher, sealed = curation().mapper.cipher, b""
while sealed[:1] != b"{":
    sealed = cipher.encrypt(b"{}")
StoredEventRecord.objects.filter(originator_version=1).update(state=sealed)
print(encrypt_plain_events(), all_events_have_keys(), sep="|")
"""


@pytest.fixture
def catalogue(environments, tmp_path, postgres_database):
    """Run Python, or a program, in the catalogue's environment, with a database of its own; returns what ended."""
    files = SecretFiles(tmp_path / "secrets")
    told = environments["catalogue"] | {
        "PORTAL_DATABASE_URL_FILE": files.keep("database_url", Secret(postgres_database))
    }

    def run(*arguments):
        return subprocess.run([sys.executable, *arguments], env=told, capture_output=True, text=True, check=False)

    return run


def states(database):
    """The states of all events, oldest first."""
    with psycopg.connect(database) as connection:
        return [bytes(state) for (state,) in connection.execute("SELECT state FROM stored_events ORDER BY id")]


def test_events_from_before_encryption_are_encrypted_where_they_stand(catalogue, postgres_database, tmp_path):
    """They say the same as before, once; an encrypted event that begins like a plain one is left alone."""
    made = catalogue("-c", PLAIN)
    assert made.returncode == 0, made.stderr
    assert b"Counted before keys" in states(postgres_database)[0]
    done = catalogue("-c", ENCRYPT, made.stdout.strip())
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["2|Counted before keys", "0|True"]
    keys = (tmp_path / "secrets" / "event_keys").read_text()
    assert [opens_event(keys, state) for state in states(postgres_database)] == [True, True]


def test_events_whose_keys_are_lost_end_the_start_in_words(catalogue, postgres_database, tmp_path):
    """Before anything is changed, the start says which file lacks the keys and what to do."""
    made = catalogue("-c", PLAIN)
    assert catalogue("-c", ENCRYPT, made.stdout.strip()).returncode == 0
    before = states(postgres_database)
    keys = tmp_path / "secrets" / "event_keys"
    keys.unlink()
    SecretFiles(tmp_path / "secrets").aes_key("event_keys")
    ended = catalogue(str(EXAMPLE / "manage.py"), "prepare_catalogue")
    assert ended.returncode == 1, ended.stdout
    assert ended.stderr.startswith(
        f"CommandError: the events in the database were encrypted with keys that file:{keys} does not hold. Bring back"
    )
    assert states(postgres_database) == before
