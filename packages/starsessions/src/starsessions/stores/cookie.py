"""Sessions in a signed cookie: nothing is kept on the server."""

from __future__ import annotations

import binascii
import hmac
import time
import typing
import warnings

import itsdangerous

from starsessions import events
from starsessions.cookies import is_cookie_value
from starsessions.exceptions import SessionTooLarge
from starsessions.keys import KeyLike, Keys
from starsessions.stores.base import SessionStore, StoreTraits, checked_count

__all__ = ["CookieStore"]

_GOOD_KEY_LENGTH = 32
# Cookies without a fixed end are accepted for this long after they were signed.
_SESSION_ONLY_SECONDS = 360 * 24 * 3600
# Servers that share the key may disagree about the time, and clocks are set back: nobody is logged out for so little.
_CLOCK_DIFFERENCE_SECONDS = 300
_URL_SAFE, _STANDARD = bytes.maketrans(b"+/", b"-_"), bytes.maketrans(b"-_", b"+/")


class CookieStore(SessionStore):
    """Keep the session in the cookie itself, signed: the visitor can read it but not change it.

    `secret_key` is a text, bytes, a `Secret`, Starlette's `Secret`, a `KeyRing`, or a sequence of keys. The
    first key signs, every key verifies, so a key can be replaced without logging anyone out. `env:NAME` and
    `file:/path` name a key that is kept elsewhere. Name and value of the cookie may have `max_size` bytes;
    browsers drop larger ones.
    """

    def __init__(self, secret_key: KeyLike, max_size: int = 4096) -> None:
        self.max_size = checked_count("max_size", max_size, "a whole number of bytes")
        alone = type(self) is CookieStore  # a subclass may ask others, which may keep it waiting
        self.traits = StoreTraits(expires=True, in_process=alone, cookie_limit=max_size)
        try:
            self._keys = Keys(secret_key, _signer, name="secret_key")
        finally:
            del secret_key  # a traceback with local variables would show it
        self._warn_about_short_keys()

    async def read(self, session_id: str, lifetime: int) -> bytes:
        """Return what the cookie holds, or empty bytes if its signature is wrong or too old."""
        try:
            signed = self._unsign(session_id.encode(), lifetime or _SESSION_ONLY_SECONDS)
            return binascii.a2b_base64(signed)
        except (itsdangerous.BadSignature, binascii.Error, UnicodeEncodeError) as error:
            # The text of the error could quote the cookie.
            events.cookie_rejected(f"{type(error).__name__} from its signature")
            return b""

    async def write(self, session_id: str, data: bytes, lifetime: int, ttl: int) -> str:  # noqa: ARG002  the interface
        """Return the cookie's new value. Raises SessionTooLarge if no browser would keep it."""
        value = self._current().sign(binascii.b2a_base64(data, newline=False)).decode("ascii")
        if len(value) > self.max_size:
            raise SessionTooLarge(
                f"The session is too large for a cookie: {len(value)} bytes after signing, {self.max_size} are "
                "allowed. Keep less in it or use a server-side store."
            )
        return value

    async def remove(self, session_id: str) -> None:
        """Do nothing: the middleware tells the browser to forget the cookie."""

    def is_outdated(self, session_id: str) -> bool:
        """Tell whether a cookie that was read is signed with another key than the one that signs now."""
        return not self._current().is_signed_with_newest(session_id.encode())

    def accepts_id(self, session_id: str) -> bool:
        """Tell whether `session_id` can be a cookie of ours; its signature is checked by `read`."""
        return len(session_id) <= self.max_size and is_cookie_value(session_id)

    def _unsign(self, value: bytes, max_age: int) -> bytes:
        try:
            return self._current().opened(value, max_age)
        except itsdangerous.SignatureExpired as error:
            if error.date_signed and 0 < error.date_signed.timestamp() - time.time() <= _CLOCK_DIFFERENCE_SECONDS:
                return bytes(error.payload or b"")
            raise
        except itsdangerous.BadSignature:
            if not self._keys.refresh():
                raise
            return self._current().unsign(value, max_age=max_age)

    def _current(self) -> _Signer:
        signer: _Signer = self._keys.current()
        return signer

    def _warn_about_short_keys(self) -> None:
        if any(len(key) < _GOOD_KEY_LENGTH for key in self._keys.newest_first()):
            warnings.warn(
                f"CookieStore: a secret_key has fewer than {_GOOD_KEY_LENGTH} characters and could be guessed. "
                'Make one with python -c "import secrets; print(secrets.token_urlsafe(32))".',
                UserWarning,
                stacklevel=3,
            )


def _signer(keys: list[str | bytes]) -> _Signer:
    oldest_first = [key.encode() if isinstance(key, str) else key for key in reversed(keys)]
    return _Signer(oldest_first)  # itsdangerous signs with the last one


class _Signer(itsdangerous.TimestampSigner):
    """Signs as itsdangerous does, but begins the HMAC of each key once, not for every cookie anew."""

    def __init__(self, keys: list[bytes]) -> None:
        super().__init__(keys)
        newest_first = reversed(keys)
        self._begun = [hmac.new(self.derive_key(key), digestmod="sha1") for key in newest_first]

    def get_signature(self, value: typing.Any) -> bytes:
        """Return the signature of `value`, which is bytes wherever itsdangerous calls this."""
        return _signature(self._begun[0], value)

    def verify_signature(self, value: typing.Any, sig: typing.Any) -> bool:
        """Tell whether one of the keys gives the signature `sig`; both are bytes wherever itsdangerous calls this."""
        newest, *older = self._begun  # the newest nearly always fits
        return _fits(newest, value, sig) or any(_fits(begun, value, sig) for begun in older)

    def opened(self, signed: bytes, max_age: int) -> bytes:
        """Return what was signed, if that is plainly good. Otherwise `unsign` decides, and raises what is wrong."""
        value, _, signature = signed.rpartition(self.sep)
        payload, _, stamp = value.rpartition(self.sep)
        if self.verify_signature(value, signature) and 0 <= time.time() - _seconds(stamp) <= max_age:
            return payload
        return self.unsign(signed, max_age=max_age)

    def is_signed_with_newest(self, signed: bytes) -> bool:
        """Tell which key verified `signed`: the one that signs, or an older one."""
        if len(self._begun) == 1:
            return True
        value, _, signature = signed.rpartition(self.sep)
        return _fits(self._begun[0], value, signature)


def _fits(begun: hmac.HMAC, value: bytes, signature: bytes) -> bool:
    return hmac.compare_digest(_signature(begun, value), signature)


def _signature(begun: hmac.HMAC, value: bytes) -> bytes:
    mac = begun.copy()
    mac.update(value)
    return binascii.b2a_base64(mac.digest(), newline=False).translate(_URL_SAFE).rstrip(b"=")


def _seconds(stamp: bytes) -> int:
    """Return the time of a signature as itsdangerous writes it: a number, as bytes, as text without padding."""
    return int.from_bytes(binascii.a2b_base64(stamp.translate(_STANDARD) + b"=="), "big")
