"""No object, error or log line of the package shows a key or a password."""

import asyncio
import logging
import pprint
import traceback

import pytest
from cryptography.fernet import Fernet
from redis.asyncio.connection import parse_url

from pentad_config import KeyRing, Secret, SecretMisuse
from pentad_config.exposure import exposures
from starsessions import CookieStore, ImproperlyConfigured, SessionMiddleware
from starsessions.encryptors import AESGCMEncryptor, FernetEncryptor
from starsessions.stores.redis import RedisStore
from starsessions.stores.redis_url import redis_options

KEY = "0123456789abcdef0123456789abcdef-key"
FERNET = Fernet.generate_key().decode()
AES = "00112233445566778899aabbccddeeff" * 2
PASSWORD = "hunter2-hunter2-hunter2"
URL = f"redis://:{PASSWORD}@127.0.0.1:1/0"

HOLDERS = {
    "cookie store, text": (KEY, lambda: CookieStore(KEY)),
    "cookie store, bytes": (KEY, lambda: CookieStore(KEY.encode())),
    "cookie store, list": (KEY, lambda: CookieStore([KEY, KEY[::-1]])),
    "cookie store, ring": (KEY, lambda: CookieStore(KeyRing([KEY]))),
    "cookie store, callable": (KEY, lambda: CookieStore(lambda: KEY)),
    "Fernet": (FERNET, lambda: FernetEncryptor(FERNET)),
    "AES-GCM": (AES, lambda: AESGCMEncryptor(AES)),
    "Redis store": (PASSWORD, lambda: RedisStore(url=Secret(URL))),
    "middleware": (KEY, lambda: SessionMiddleware(None, store=CookieStore(KEY), encryptor=FernetEncryptor(FERNET))),
}


@pytest.mark.parametrize("kind", HOLDERS)
def test_no_object_holds_a_key_in_clear(kind):
    """Neither in an attribute nor in what it prints."""
    value, make = HOLDERS[kind]
    holder = make()
    assert exposures(holder, value, "starsessions") == []
    assert value not in repr(holder) + pprint.pformat(vars(holder)) + f"{holder}"


def shown(error):
    """What a reporter of errors sees in the package's frames, those of the errors behind this one as well."""
    pieces = []
    while error is not None:
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        pieces += [f"{error!r}", *told.format_exception_only()]
        pieces += [f"{frame.name} {frame.locals}" for frame in told.stack if frame.filename != __file__]
        error = error.__cause__ or error.__context__
    return "\n".join(pieces)


SURROGATE = KEY + "\udc80"

FAILURES = {
    "a short Fernet key": (FERNET[:-4], lambda: FernetEncryptor(FERNET[:-4])),
    "a short Fernet key as a Secret": (FERNET[:-4], lambda: FernetEncryptor(Secret(FERNET[:-4]))),
    "a short Fernet key in a ring": (FERNET[:-4], lambda: FernetEncryptor(KeyRing([FERNET[:-4]]))),
    "an AES key of no length": (AES[:-3], lambda: AESGCMEncryptor(AES[:-3])),
    "an AES key of odd bytes": (KEY, lambda: AESGCMEncryptor(KEY.encode())),
    "a bad AES key as a Secret": (AES[:-3], lambda: AESGCMEncryptor(Secret(AES[:-3]))),
    "one bad key of several": (FERNET[:-4], lambda: FernetEncryptor([FERNET, FERNET[:-4]])),
    "a good key beside a bad one": (FERNET, lambda: FernetEncryptor([FERNET, FERNET[:-4]])),
    "a good AES key beside a bad one": (AES, lambda: AESGCMEncryptor([AES, AES[:-3]])),
    "a good AES key beside a bad Secret": (AES, lambda: AESGCMEncryptor([Secret(AES), Secret("short")])),
    "a good AES key beside what is no key": (AES, lambda: AESGCMEncryptor([AES, 42])),
    "a key that is no UTF-8": (KEY, lambda: CookieStore(SURROGATE)),
    "a Secret that is no UTF-8": (KEY, lambda: CookieStore(Secret(SURROGATE))),
    "an encryption key that is no UTF-8": (KEY, lambda: AESGCMEncryptor(SURROGATE)),
    "a good cookie key beside an empty one": (KEY, lambda: CookieStore([KEY, ""])),
    "a good cookie key beside what is no key": (KEY, lambda: CookieStore([KEY, 42])),
    "a key inside what is no key": (KEY, lambda: CookieStore({"key": KEY})),
}


@pytest.mark.parametrize("case", FAILURES)
def test_no_error_about_a_key_shows_one(case):
    """Neither in its message nor in the variables of the functions that it passed through."""
    value, fail = FAILURES[case]
    with pytest.raises((ImproperlyConfigured, SecretMisuse)) as caught:
        fail()
    assert value not in shown(caught.value)


def test_a_ring_whose_keys_become_unusable_for_a_cipher_is_reported_without_them():
    """The keys of a callable are checked again when they change, while the application runs."""
    keys = [AES]
    encryptor = AESGCMEncryptor(lambda: keys[0])
    keys[0] = AES[:-3]
    with pytest.raises(ImproperlyConfigured, match="key 1 cannot be used") as caught:
        encryptor.encrypt(b"data")
    assert AES[:-3] not in shown(caught.value)


BAD_URLS = {
    f"redis://u:{PASSWORD}/x@h:6379/0": "an @ comes after the host. Write the reserved characters",
    f"redis://u:12/{PASSWORD}@h:6379/0": "an @ comes after the host. Write the reserved characters",
    f"redis://{PASSWORD}/x@h:6379/0": "an @ comes after the host.",
    f"redis://u:{PASSWORD}#x@h:6379/0": "an @ comes after the host.",
    f"redis://u:{PASSWORD}@h:port/0": "the port is no number up to 65535. Write the reserved characters",
    f"redis://u:{PASSWORD}@h:99999/0": "the port is no number",
    f"http://u:{PASSWORD}@h/0": "the scheme is not redis://, rediss:// or unix://.",
    PASSWORD: "the scheme is not redis://",
    f"redis://u:{PASSWORD}@[::1/0": "an IPv6 address is written in brackets",
    f"redis://u:{PASSWORD}@h/0?socket_timeout=soon": "an option after the ?",
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("is_plain", [False, True], ids=["secret", "plain"])
@pytest.mark.parametrize("url", BAD_URLS)
def test_a_url_that_cannot_be_one_is_explained_without_the_password(url, is_plain):
    """It says which part to mend; no error, cause or frame holds the URL, as the password may be anywhere in it.

    A plain URL is looked at when the store is made, a Secret when it is used.
    """
    name = "redis url" if is_plain else "REDIS_URL"
    store = None if is_plain else RedisStore(url=Secret(url, name=name))
    with pytest.raises(ImproperlyConfigured, match=f"^{name}: ") as caught:
        RedisStore(url=url) if store is None else asyncio.run(store.read("id", 60))
    assert BAD_URLS[url] in str(caught.value)
    assert PASSWORD not in shown(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.parametrize(
    "url",
    [
        "redis://h",
        f"rediss://:{PASSWORD}@h:6379/0?client_name=portal@node-1",
        f"redis://u:{PASSWORD}%2Fx@[::1]:6379/0",
        "unix:///run/redis@portal.sock?db=1",
        f"unix://u:{PASSWORD}@/run/redis.sock",
    ],
)
def test_a_url_that_redis_py_takes_is_taken(url):
    """Also with an @ where it ends no password."""
    assert redis_options(Secret(url)) == parse_url(url)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_redis_that_cannot_be_reached_is_reported_without_the_password(caplog):
    """Nor does the log hold it, at any level."""
    caplog.set_level(logging.DEBUG)
    store = RedisStore(url=URL)
    with pytest.raises(Exception) as caught:
        asyncio.run(store.read("id", 60))
    assert PASSWORD not in f"{caught.value} {caught.value!r} {caught.value.__cause__!r} {caplog.text}"
    assert exposures(store, PASSWORD, "starsessions") == []
