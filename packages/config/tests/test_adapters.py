"""The adapters for Django, traitlets, minio, redis, logging, structlog and Sentry."""

import asyncio
import io
import logging
import os
import pickle
import subprocess
import sys

import pytest
from traitlets import TraitError
from traitlets.config import Config, Configurable

from pentad_config import KeyRing, Secret, SecretMisuse, redact
from pentad_config.logs import RedactingFormatter, install, redact_event
from pentad_config.minio import SecretProvider
from pentad_config.redis import RedisCredentials
from pentad_config.traitlets import SecretTrait

VALUE = "hunter2-hunter2-hunter2"


def test_redact_finds_current_and_previous_values_in_every_form(tmp_path):
    """Plain, percent-encoded, in dictionaries and lists, as text and as bytes."""
    path = tmp_path / "k"
    path.write_text("first value/1")
    os.utime(path, (1, 1))
    secret = Secret.at(f"file:{path}", ttl=0)
    secret.reveal()
    path.write_text("second value/2")
    os.utime(path, (2, 2))
    secret.reveal()
    assert redact("a first value/1 b second value/2 c") == "a <redacted> b <redacted> c"
    assert redact("redis://:second%20value%2F2@h") == "redis://:<redacted>@h"
    assert redact({"url": ["x second value/2"], "n": 1}) == {"url": ["x <redacted>"], "n": 1}
    assert redact(b"second value/2") == b"<redacted>"


def test_a_handler_writes_no_secret_once_logging_is_installed():
    """Neither in the message nor in a traceback."""
    secret = Secret(VALUE, name="APP_KEY")
    stream = io.StringIO()
    logger = logging.Logger("test")
    logger.addHandler(logging.StreamHandler(stream))
    install(logger)
    install(logger)
    logger.warning("connecting with %s and %s", secret, secret.reveal())
    try:
        raise RuntimeError(f"refused: {secret.reveal()}")
    except RuntimeError:
        logger.exception("failed")
    assert VALUE not in stream.getvalue()
    assert stream.getvalue().startswith("connecting with <Secret APP_KEY: redacted> and <redacted>\n")
    assert isinstance(logger.handlers[0].formatter, RedactingFormatter)


def test_structlog_and_sentry_events_are_redacted():
    """One function serves both call shapes."""
    secret = Secret(VALUE)
    assert redact_event(None, "info", {"event": f"key {secret.reveal()}"}) == {"event": "key <redacted>"}
    assert redact_event({"extra": {"k": secret.reveal()}}, {}) == {"extra": {"k": "<redacted>"}}


class Spawner(Configurable):
    token = SecretTrait(help="a token").tag(config=True)


def test_a_trait_holds_a_secret(tmp_path):
    """References and plain values become a Secret, and the configuration object shows only the reference."""
    (tmp_path / "jwt").write_text(VALUE)
    config = Config()
    config.Spawner.token = f"file:{tmp_path}/jwt"
    assert VALUE not in repr(config)
    spawner = Spawner(config=config)
    assert spawner.token.reveal() == VALUE
    assert repr(spawner.token) == "<Secret token: redacted>"
    assert Spawner().token is None


def test_a_trait_refuses_what_is_no_secret_without_showing_it():
    """The error names the trait and the type."""
    with pytest.raises(TraitError, match="token needs a secret: .*, not list") as caught:
        Spawner(token=[VALUE])
    assert VALUE not in str(caught.value)


def test_minio_credentials_follow_a_rotation_as_one_pair(tmp_path):
    """The next request signs with the new pair; the generation moves so that cached links can be dropped."""
    for name in ("ak", "sk"):
        (tmp_path / name).write_text(f"{name}-one")
        os.utime(tmp_path / name, (1, 1))
    provider = SecretProvider(*(Secret.at(f"file:{tmp_path}/{name}", ttl=0) for name in ("ak", "sk")))
    provider._pair._ttl = 0
    first = provider.retrieve()
    assert (first.access_key, first.secret_key, provider.generation) == ("ak-one", "sk-one", 1)
    assert provider.retrieve() == first
    for name in ("ak", "sk"):
        (tmp_path / name).write_text(f"{name}-two")
        os.utime(tmp_path / name, (2, 2))
    assert provider.retrieve().secret_key == "sk-two"
    assert provider.generation == 2
    assert "sk-two" not in repr(provider)
    assert pickle.loads(pickle.dumps(provider)).retrieve().access_key == "ak-two"


def test_redis_credentials_give_user_and_password():
    """Sync and async, at every new connection."""
    secret = Secret(VALUE)
    assert RedisCredentials(secret).get_credentials() == (VALUE,)
    assert RedisCredentials(secret, "app").get_credentials() == ("app", VALUE)
    assert asyncio.run(RedisCredentials(secret, "app").get_credentials_async()) == ("app", VALUE)
    assert VALUE not in repr(RedisCredentials(secret))


DJANGO = """
import os, sys, time
import django
from django.conf import settings
from pentad_config import KeyRing, Secret
from pentad_config.django import django_keys
path = sys.argv[1]
ring = KeyRing(Secret.at("file:" + path, ttl=0))
key, fallbacks = django_keys(ring)
settings.configure(SECRET_KEY=key, SECRET_KEY_FALLBACKS=fallbacks, DEBUG=False,
    INSTALLED_APPS=["pentad_config.django.PentadConfig"],
    DEFAULT_EXCEPTION_REPORTER_FILTER="pentad_config.django.ReporterFilter")
django.setup()
from django.core import signing
from django.core.management import call_command
call_command("check")
old = signing.dumps({"user": 1})
A, B = "a" * 50, "b" * 50
def write(*keys, stamp):
    open(path, "w").write("\\n".join(keys)); os.utime(path, (stamp, stamp))
write(B, A, stamp=2)
assert signing.loads(old) == {"user": 1}, "an old signature verifies"
new = signing.dumps({"user": 2})
write(B, stamp=3)
assert signing.loads(new) == {"user": 2}, "the new key signed"
try: signing.loads(old)
except signing.BadSignature: print("pruned key no longer verifies")
assert list(settings.SECRET_KEY_FALLBACKS) == [] and str(settings.SECRET_KEY) == B
from django.views.debug import ExceptionReporter
def view():
    connection_url = "redis://:%s@host" % settings.SECRET_KEY
    raise RuntimeError("boom")
try: view()
except RuntimeError:
    page = ExceptionReporter(None, *sys.exc_info()).get_traceback_html() + ExceptionReporter(None, *sys.exc_info()).get_traceback_text()
assert "connection_url" in page and A not in page and B not in page, "the debug page shows no key"
call_command("diffsettings")
"""


def test_django_signs_with_a_ring_that_rotates_while_it_runs(tmp_path):
    """Old signatures verify until their key is pruned; checks pass; debug page and diffsettings show no key."""
    path = tmp_path / "keys"
    path.write_text("a" * 50)
    os.utime(path, (1, 1))
    ran = subprocess.run([sys.executable, "-c", DJANGO, path], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "pruned key no longer verifies" in ran.stdout
    assert "SECRET_KEY" in ran.stdout
    assert "aaaaaaaa" not in ran.stdout
    assert "bbbbbbbb" not in ran.stdout


def test_the_live_key_is_not_pickled():
    """It would carry the key to wherever the pickle goes."""
    from pentad_config.django import django_keys

    key, fallbacks = django_keys(KeyRing(["k" * 32, "l" * 32]))
    for view in (key, fallbacks):
        with pytest.raises(SecretMisuse):
            pickle.dumps(view)
    assert repr(key) == "<Secret SECRET_KEY: redacted>"
    assert "llll" not in repr(fallbacks)


def add_in_place(keys):
    keys += ["o" * 50]


CHANGES = {
    "append": lambda keys: keys.append("o" * 50),
    "extend": lambda keys: keys.extend(["o" * 50]),
    "insert": lambda keys: keys.insert(0, "o" * 50),
    "+=": add_in_place,
    "an item": lambda keys: keys.__setitem__(0, "o" * 50),
    "clear": lambda keys: keys.clear(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_live_fallbacks_refuse_a_change_that_would_do_nothing(change):
    """A key that was added there would verify no cookie, and nobody would know why."""
    from pentad_config.django import django_keys

    _, fallbacks = django_keys(KeyRing(["k" * 50, "l" * 50]))
    with pytest.raises(TypeError, match="follows its key ring and is not changed by itself. Put the key into the ring"):
        CHANGES[change](fallbacks)
    assert [*fallbacks, "o" * 50] == ["l" * 50, "o" * 50]


def test_starlette_and_itsdangerous_refuse_a_stringified_secret():
    """Signing with the marker is an error, not a forgeable signature."""
    from itsdangerous import TimestampSigner

    with pytest.raises(SecretMisuse):
        TimestampSigner(str(Secret(VALUE)))
