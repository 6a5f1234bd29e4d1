"""No object, error or log line of the package shows a key or a password."""

import asyncio
import logging
import pprint

import pytest
from cryptography.fernet import Fernet

from pentad_config import KeyRing, Secret
from pentad_config.exposure import exposures
from starsessions import CookieStore, SessionMiddleware
from starsessions.encryptors import AESGCMEncryptor, FernetEncryptor
from starsessions.stores.redis import RedisStore

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


FAILURES = {
    "a short Fernet key": (FERNET[:-4], lambda: FernetEncryptor(FERNET[:-4])),
    "an AES key of no length": (AES[:-3], lambda: AESGCMEncryptor(AES[:-3])),
    "an AES key of odd bytes": (KEY, lambda: AESGCMEncryptor(KEY.encode())),
    "one bad key of several": (FERNET[:-4], lambda: FernetEncryptor([FERNET, FERNET[:-4]])),
}


@pytest.mark.parametrize("case", FAILURES)
def test_no_error_about_a_key_quotes_it(case):
    """The message says what is wrong with it."""
    value, fail = FAILURES[case]
    with pytest.raises(Exception) as caught:
        fail()
    errors = [caught.value, caught.value.__cause__, caught.value.__context__]
    assert value not in " ".join(f"{error} {error!r}" for error in errors)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("url", [URL, f"redis://:{PASSWORD}@127.0.0.1:port/0", f"http://:{PASSWORD}@127.0.0.1/"])
def test_a_redis_that_cannot_be_reached_is_reported_without_the_password(url, caplog):
    """Nor does the log hold it, at any level."""
    caplog.set_level(logging.DEBUG)
    store = RedisStore(url=url)
    with pytest.raises(Exception) as caught:
        asyncio.run(store.read("id", 60))
    assert PASSWORD not in f"{caught.value} {caught.value!r} {caught.value.__cause__!r} {caplog.text}"
    assert exposures(store, PASSWORD, "starsessions") == []
