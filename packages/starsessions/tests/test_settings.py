"""Settings that cannot work are refused where they are made, by the name of the option."""

import asyncio
import contextlib
import re

import pytest
from redis import Redis as BlockingRedis

from pentad_config import ConfigError
from starsessions import CookieStore, InMemoryStore, JsonSerializer, SessionAutoloadMiddleware, SessionMiddleware
from starsessions.encryptors import NoopEncryptor
from starsessions.exceptions import ImproperlyConfigured, InvalidCookieSettings, InvalidLifetime
from starsessions.stores.redis import RedisStore

URL = "redis://:secret@localhost"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"store": InMemoryStore}, r"store: .* write InMemoryStore\(\.\.\.\)"),
        ({"store": URL}, "store: .* not a str"),
        ({"serializer": JsonSerializer}, "serializer: .* write JsonSerializer"),
        ({"serializer": "json"}, "serializer: .* not a str"),
        ({"encryptor": NoopEncryptor}, "encryptor: .* write NoopEncryptor"),
        ({"encryptor": "secret"}, "encryptor: .* not a str"),
    ],
    ids=str,
)
def test_what_is_no_part_of_sessions(options, message):
    """A class in the place of its instance, or something else, is no store, serializer or encryptor; it is not shown."""
    with pytest.raises(ImproperlyConfigured, match=f"^{message}") as caught:
        SessionMiddleware(None, **{"store": InMemoryStore(), **options})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("option", ["cookie_name", "cookie_same_site", "cookie_domain", "cookie_path"])
def test_cookie_attributes_are_texts(option):
    """What is no text is no attribute of a cookie."""
    with pytest.raises(InvalidCookieSettings, match=f"Invalid {option} 5: a text is needed"):
        SessionMiddleware(None, store=InMemoryStore(), **{option: 5})


def test_an_endless_lifetime():
    """Infinity is no number of seconds that a store could be given."""
    with pytest.raises(InvalidLifetime, match="^lifetime: .* not inf"):
        SessionMiddleware(None, store=InMemoryStore(), lifetime=float("inf"))


@pytest.mark.parametrize("paths", ["/admin", re.compile("/admin")], ids=repr)
def test_one_path_is_no_list(paths):
    """A single pattern is refused: the letters of a text would be patterns of their own, and one of them is "/"."""
    with pytest.raises(ImproperlyConfigured, match=r"^paths: .*/admin"):
        SessionAutoloadMiddleware(None, paths=paths)


@pytest.mark.parametrize("seconds", [0, -1, 1.5, "60", None, True, 10**18])
@pytest.mark.parametrize("store", [InMemoryStore, lambda **options: RedisStore(connection=object(), **options)])
def test_a_time_to_live_is_a_number_of_seconds(store, seconds):
    """Redis would refuse another gc_ttl at the first request, and a store in memory forget every session at once."""
    with pytest.raises(ImproperlyConfigured, match="^gc_ttl: "):
        store(gc_ttl=seconds)


@pytest.mark.parametrize("number", [0, -1, 1.5, "60", True])
@pytest.mark.parametrize("option", ["max_size", "max_sessions"])
def test_limits_are_whole_numbers(option, number):
    """A limit below one would let nothing be stored, and another type fail at the first request."""
    with pytest.raises(ImproperlyConfigured, match=f"^{option}: .* not {number!r}"):
        CookieStore("k" * 32, number) if option == "max_size" else InMemoryStore(max_sessions=number)


@pytest.mark.parametrize("option", ["lifetime", "absolute_lifetime"])
def test_lifetimes_that_no_store_could_count(option):
    """A lifetime that Redis would refuse at the first request is refused when the application starts."""
    with pytest.raises(InvalidLifetime, match=f"^{option}: "):
        SessionMiddleware(None, store=InMemoryStore(), **{option: 10**18})


@pytest.mark.parametrize("seconds", [0, -1, "5", True, float("nan")])
def test_a_timeout_is_a_positive_number(seconds):
    """A deadline that is none is refused."""
    with pytest.raises(ImproperlyConfigured, match="^store_timeout: "):
        SessionMiddleware(None, store=InMemoryStore(), store_timeout=seconds)


def test_an_unknown_policy():
    """What to do when the store fails is one of three words."""
    with pytest.raises(ImproperlyConfigured, match="^on_store_failure: 'ignore' is not one of raise, unavailable"):
        SessionMiddleware(None, store=InMemoryStore(), on_store_failure="ignore")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://:secret@localhost", "the scheme is not redis://"),
        ("localhost:6379", "the scheme is not redis://"),
        ("redis://:secret@localhost:port/0", "the port is no number"),
        ("redis://localhost/0?socket_timeout=secret", "an option after the"),
    ],
)
@pytest.mark.parametrize("how", ["plain", "environment", "file"])
def test_a_url_that_is_none(monkeypatch, tmp_path, url, message, how):
    """A URL that no Redis can have is refused when the store is made, wherever it is kept, and is not shown."""
    (tmp_path / "url").write_text(url)
    monkeypatch.setenv("SESSION_REDIS", url)
    given = {"plain": url, "environment": "env:SESSION_REDIS", "file": f"file:{tmp_path}/url"}[how]
    expected = pytest.warns(DeprecationWarning) if how == "plain" else contextlib.nullcontext()
    with expected, pytest.raises(ImproperlyConfigured, match=f"^redis url: {message}") as caught:
        RedisStore(given)
    assert "secret" not in str(caught.value)


def test_a_url_that_comes_later(monkeypatch):
    """A reference whose variable is not set yet is no error before the store is used."""
    monkeypatch.delenv("SESSION_REDIS", raising=False)
    store = RedisStore("env:SESSION_REDIS")
    with pytest.raises(ConfigError, match="SESSION_REDIS"):
        asyncio.run(store.read("a" * 32, 60))


def test_url_and_connection():
    """Of a URL and a client only one can be meant."""
    with pytest.raises(ImproperlyConfigured, match="Give either 'url' or 'connection', not both"):
        RedisStore(URL, connection=object())


@pytest.mark.parametrize("connection", [URL, URL.encode(), BlockingRedis()], ids=["text", "bytes", "blocking"])
def test_what_is_no_connection(connection):
    """A URL in the place of the client is not shown, and a client that blocks is refused."""
    with pytest.raises(ImproperlyConfigured, match="^connection: a client from redis.asyncio is needed") as caught:
        RedisStore(connection=connection)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("prefix", [None, 5, b"sessions."])
def test_prefixes(prefix):
    """A prefix is a text or a callable."""
    with pytest.raises(ImproperlyConfigured, match="^prefix: "):
        RedisStore(connection=object(), prefix=prefix)
