"""Settings that cannot work are refused where they are made, by the name of the option."""

import re

import pytest
from redis import Redis as BlockingRedis

from starsessions import InMemoryStore, JsonSerializer, SessionAutoloadMiddleware, SessionMiddleware
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


@pytest.mark.parametrize("seconds", [0, -1, 1.5, "60", None])
@pytest.mark.parametrize("store", [InMemoryStore, lambda **options: RedisStore(connection=object(), **options)])
def test_a_time_to_live_is_a_number_of_seconds(store, seconds):
    """Redis would refuse another gc_ttl at the first request, and a store in memory forget every session at once."""
    with pytest.raises(ImproperlyConfigured, match="^gc_ttl: "):
        store(gc_ttl=seconds)


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
