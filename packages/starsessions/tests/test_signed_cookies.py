"""Signed cookies are those of itsdangerous, bit for bit, though they are opened on a shorter way."""

import base64

import itsdangerous
import pytest
from hypothesis import given
from hypothesis import strategies as st

from starsessions import CookieStore

pytestmark = pytest.mark.anyio
KEYS = ["a-newer-key-that-nobody-can-guess-at-all", "an-older-key-that-nobody-can-guess-at-all"]
LIFETIME = 1000


class SignedAgo(itsdangerous.TimestampSigner):
    """Signs as if it were `ago` seconds earlier."""

    ago = 0

    def get_timestamp(self):
        return super().get_timestamp() - self.ago


async def as_itsdangerous(keys, cookie):
    """What itsdangerous makes of a cookie; nothing if it refuses it."""
    try:
        return base64.b64decode(itsdangerous.TimestampSigner(keys).unsign(cookie, max_age=LIFETIME))
    except itsdangerous.BadSignature:
        return b""


@given(
    data=st.binary(min_size=1),
    key=st.sampled_from([*KEYS, "a-key-that-is-somebody-else's-altogether"]),
    ago=st.sampled_from([0, 1, LIFETIME - 60, LIFETIME + 2, LIFETIME * 100]),
)
async def test_cookies_of_any_age_and_key(data, key, ago):
    """Those that itsdangerous accepts are accepted, the others are not."""
    signer = SignedAgo(key)
    signer.ago = ago
    cookie = signer.sign(base64.b64encode(data)).decode()
    opened = await CookieStore(KEYS).read(cookie, LIFETIME)
    assert opened == await as_itsdangerous(KEYS[::-1], cookie)
    assert opened == (data if key in KEYS and ago < LIFETIME else b"")


@given(data=st.data(), change=st.sampled_from([b"", b".", b"-", b"A", b"=", b"\x00", b"..", b".A.", b"\xff"]))
async def test_cookies_that_were_changed(data, change):
    """At no place can a character be put in, left out or replaced."""
    store = CookieStore(KEYS)
    good = (await store.write("", b"some data of a session", LIFETIME, LIFETIME)).encode()
    at = data.draw(st.integers(0, len(good)))
    width = data.draw(st.integers(0, 2))
    changed = (good[:at] + change + good[at + width :]).decode("latin-1")
    expected = b"some data of a session" if changed.encode("latin-1") == good else b""
    assert await store.read(changed, LIFETIME) == expected


@pytest.mark.parametrize("stamp", [b"", b"!", b"A", b"AAAAAAAAAAAAAAAA", b"____", b"\xff\xff"])
async def test_a_signed_value_without_a_time(stamp):
    """The same key may have signed something else, which is no session."""
    signer = itsdangerous.Signer(KEYS[0], salt=itsdangerous.TimestampSigner(KEYS[0]).salt)
    for value in (b"c29tZSBkYXRh." + stamp, stamp):
        cookie = signer.sign(value).decode("latin-1")
        assert await CookieStore(KEYS).read(cookie, LIFETIME) == b""
