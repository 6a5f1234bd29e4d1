"""What code written for the documented interface passes, by position and by name."""

import inspect

import pytest

from starsessions import (
    CookieStore,
    InMemoryStore,
    JsonSerializer,
    Serializer,
    SessionAutoloadMiddleware,
    SessionMiddleware,
    SessionStore,
)
from starsessions.encryptors import AESGCMEncryptor, FernetEncryptor
from starsessions.stores.memory import Record
from starsessions.stores.redis import RedisStore, prefix_factory

EMPTY = inspect.Parameter.empty
REQUIRED = object()

POSITIONAL = [
    (
        SessionMiddleware,
        {
            "app": REQUIRED,
            "store": None,
            "lifetime": 0,
            "rolling": False,
            "cookie_name": "session",
            "cookie_same_site": "lax",
            "cookie_https_only": True,
            "cookie_domain": None,
            "cookie_path": None,
            "serializer": None,
            "encryptor": None,
        },
    ),
    (SessionAutoloadMiddleware, {"app": REQUIRED, "paths": None}),
    (CookieStore, {"secret_key": REQUIRED, "max_size": 4096}),
    (InMemoryStore, {"gc_ttl": 86400}),
    (RedisStore, {"url": None, "connection": None, "prefix": "starsessions.", "gc_ttl": 2592000}),
    (Record, {"expires": REQUIRED, "value": REQUIRED}),
    (prefix_factory, {"prefix": REQUIRED, "key": REQUIRED}),
    (SessionStore.read, {"self": REQUIRED, "session_id": REQUIRED, "lifetime": REQUIRED}),
    (
        SessionStore.write,
        {"self": REQUIRED, "session_id": REQUIRED, "data": REQUIRED, "lifetime": REQUIRED, "ttl": REQUIRED},
    ),
    (SessionStore.remove, {"self": REQUIRED, "session_id": REQUIRED}),
    (Serializer.serialize, {"self": REQUIRED, "data": REQUIRED}),
    (Serializer.deserialize, {"self": REQUIRED, "data": REQUIRED}),
    (FernetEncryptor, {"key": REQUIRED}),
    (AESGCMEncryptor, {"key": REQUIRED}),
]


@pytest.mark.parametrize(("called", "expected"), POSITIONAL, ids=lambda value: getattr(value, "__qualname__", ""))
def test_parameters_by_position(called, expected):
    """Order, names and defaults are those of the interface; what is more is passed by name only."""
    parameters = inspect.signature(called).parameters.values()
    positional = [one for one in parameters if one.kind is not inspect.Parameter.KEYWORD_ONLY]
    found = {one.name: REQUIRED if one.default is EMPTY else one.default for one in positional}
    assert found == expected
    assert list(found) == list(expected)


def test_serializer_by_name():
    """The classes of the encoder and the decoder are passed by these names."""
    assert list(inspect.signature(JsonSerializer).parameters) == ["json_encoder", "json_decoder"]


def test_abstract_methods():
    """A store has three methods to write, a serializer two; all of a store's are coroutine functions."""
    assert SessionStore.__abstractmethods__ == {"read", "write", "remove"}
    assert Serializer.__abstractmethods__ == {"serialize", "deserialize"}
    assert all(inspect.iscoroutinefunction(getattr(SessionStore, name)) for name in SessionStore.__abstractmethods__)
