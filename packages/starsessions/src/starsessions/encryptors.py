"""Encryptors keep what is stored unreadable for whoever reads the store or the cookie."""

from __future__ import annotations

import abc
import base64
import os
import typing
from collections.abc import Awaitable

from starsessions.extras import from_extra
from starsessions.keys import KeyLike, Keys

if typing.TYPE_CHECKING:
    from cryptography.fernet import Fernet, MultiFernet
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["AESGCMEncryptor", "Encryptor", "FernetEncryptor", "NoopEncryptor"]

_NONCE_BYTES = 12
_KEY_BYTES = (16, 24, 32)
_NAME = "encryption key"


class Encryptor(abc.ABC):  # noqa: B024  which pair of methods to implement is the application's choice
    """Encrypt what goes into the store and decrypt what comes out.

    Implement `encrypt` and `decrypt`, as plain or as `async` methods. Override the `_for` methods instead to
    bind a record to its session id, so that a record copied to another id does not decrypt.
    """

    def encrypt(self, data: bytes) -> bytes | Awaitable[bytes]:
        """Return `data` encrypted."""
        raise NotImplementedError(f"{type(self).__name__} does not implement encrypt().")

    def decrypt(self, data: bytes) -> bytes | Awaitable[bytes]:
        """Return what `encrypt` was given. Raise any exception if that cannot be done."""
        raise NotImplementedError(f"{type(self).__name__} does not implement decrypt().")

    def encrypt_for(self, data: bytes, session_id: str | None) -> bytes | Awaitable[bytes]:  # noqa: ARG002
        """Encrypt the record of `session_id`; None where the store chooses the id itself."""
        return self.encrypt(data)

    def decrypt_for(self, data: bytes, session_id: str | None) -> bytes | Awaitable[bytes]:  # noqa: ARG002
        """Decrypt the record of `session_id`; None where the store chooses the id itself."""
        return self.decrypt(data)

    def is_outdated(self, data: bytes, session_id: str | None) -> bool:  # noqa: ARG002
        """Tell whether a record that was decrypted should be encrypted anew, as by a key that is newer."""
        return False


class NoopEncryptor(Encryptor):
    """No encryption: the default."""

    def encrypt(self, data: bytes) -> bytes:
        """Return `data` as it is."""
        return data

    def decrypt(self, data: bytes) -> bytes:
        """Return `data` as it is."""
        return data


class FernetEncryptor(Encryptor):
    """Encrypt with Fernet (AES-128-CBC and HMAC-SHA256). Requires the `cryptography` extra.

    `key` is a Fernet key (44 characters), several of them newest first, a `Secret`, a `KeyRing`, or a ready
    `Fernet` or `MultiFernet`. With `accept_plaintext`, records written before encryption was switched on are
    still read, and encrypted when they are used. Switch it off again once the others have expired.

    A file may change while the application runs. If a key in it cannot be used, the keys there were stay in use.
    """

    def __init__(self, key: KeyLike | Fernet | MultiFernet, *, accept_plaintext: bool = False) -> None:
        self._accept_plaintext = accept_plaintext
        self._ready = key if _is_fernet(key) else None
        try:
            with from_extra("cryptography"):
                self._keys = None if self._ready else Keys(key, _multi_fernet, name=_NAME, check=_no_fernet_key)  # type: ignore[arg-type]
        finally:
            del key  # a traceback with local variables would show it
        with from_extra("cryptography"):
            self._cipher()  # a key that cannot work is refused here, not at the first request

    @property
    def fernet(self) -> MultiFernet:
        """The cipher in use."""
        return self._cipher()

    def encrypt(self, data: bytes) -> bytes:
        """Return a Fernet token."""
        return self._cipher().encrypt(data)

    def decrypt(self, data: bytes) -> bytes:
        """Return what the token holds. Raises `cryptography.fernet.InvalidToken` if no key fits."""
        from cryptography.fernet import InvalidToken

        try:
            return self._decrypt(data, InvalidToken)
        except InvalidToken:
            if self._accept_plaintext and _may_be_plain(data):
                return data
            raise

    def is_outdated(self, data: bytes, session_id: str | None) -> bool:  # noqa: ARG002  nothing is bound to the id
        """Tell whether the record is no token yet, or made with another key than the one that encrypts now."""
        if _may_be_plain(data):
            return self._accept_plaintext
        if self._keys is None or len(keys := self._keys.newest_first()) == 1:
            return False  # who hands in a MultiFernet rotates by other means
        from cryptography.fernet import Fernet, InvalidToken

        try:
            Fernet(keys[0]).extract_timestamp(data)  # checks the signature, and decrypts nothing
        except InvalidToken:
            return True
        finally:
            del keys  # a traceback with local variables would show them
        return False

    def _decrypt(self, data: bytes, invalid: type[Exception]) -> bytes:
        try:
            return self._cipher().decrypt(data)
        except invalid:
            if self._keys is None or not self._keys.refresh():
                raise
            return self._cipher().decrypt(data)

    def _cipher(self) -> MultiFernet:
        return typing.cast("MultiFernet", self._ready if self._keys is None else self._keys.current())


class AESGCMEncryptor(Encryptor):
    """Encrypt with AES-GCM and bind every record to its session id. Requires the `cryptography` extra.

    `key` is 16, 24 or 32 bytes; as text it is the base64 or hexadecimal form of 32 bytes. Several keys, a
    `Secret` or a `KeyRing` work as well; the first encrypts, all decrypt. A record is a random nonce of 12
    bytes followed by the ciphertext. Records that were written without the binding are read as long as
    `accept_unbound` is true; `bind=False` writes them that way, for a deployment that still runs such code.
    `accept_plaintext` is that of `FernetEncryptor`.

    A file may change while the application runs. If a key in it cannot be used, the keys there were stay in use.
    """

    def __init__(
        self, key: KeyLike, *, bind: bool = True, accept_unbound: bool = True, accept_plaintext: bool = False
    ) -> None:
        try:
            with from_extra("cryptography"):
                self._keys = Keys(key, _aesgcm, name=_NAME, check=_no_aes_key)
        finally:
            del key  # a traceback with local variables would show it
        self._bind = bind
        self._accept_unbound = accept_unbound or not bind
        self._accept_plaintext = accept_plaintext
        with from_extra("cryptography"):
            self._keys.current()

    @property
    def key(self) -> bytes:
        """The key that encrypts."""
        self._keys.current()  # refuses what is no key
        return _aes_key(self._keys.newest_first()[0])

    @property
    def aesgcm(self) -> AESGCM:
        """The cipher that encrypts."""
        return self._ciphers()[0]

    def encrypt(self, data: bytes) -> bytes:
        """Return `data` encrypted without a binding."""
        return self.encrypt_for(data, None)

    def decrypt(self, data: bytes) -> bytes:
        """Return what `encrypt` was given. Raises `cryptography.exceptions.InvalidTag` if no key fits."""
        return self.decrypt_for(data, None)

    def encrypt_for(self, data: bytes, session_id: str | None) -> bytes:
        """Return `data` encrypted so that it can only be read as the record of `session_id`."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self.aesgcm.encrypt(nonce, data, self._binding(session_id))

    def decrypt_for(self, data: bytes, session_id: str | None) -> bytes:
        """Return what `encrypt_for` was given for the same id. Raises InvalidTag if no key fits."""
        from cryptography.exceptions import InvalidTag

        for _ in range(2):
            plain = self._attempt(self._ciphers(), data, session_id, InvalidTag)
            if plain is not None:
                return plain
            if not self._keys.refresh():
                break
        if self._accept_plaintext and _may_be_plain(data):
            return data
        raise InvalidTag

    def is_outdated(self, data: bytes, session_id: str | None) -> bool:
        """Tell whether the record was not encrypted, or with another key than the one that encrypts now."""
        from cryptography.exceptions import InvalidTag

        newest, *older = self._ciphers()
        may_differ = older or (self._accept_plaintext and _may_be_plain(data))
        return bool(may_differ) and self._attempt([newest], data, session_id, InvalidTag) is None

    def _attempt(
        self, ciphers: list[AESGCM], data: bytes, session_id: str | None, invalid: type[Exception]
    ) -> bytes | None:
        binding = self._binding(session_id)
        bindings = [binding, None] if binding and self._accept_unbound else [binding]
        for associated in bindings:
            for cipher in ciphers:
                try:
                    return cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], associated)
                except (invalid, ValueError):  # ValueError: too short to hold a nonce
                    continue
        return None

    def _binding(self, session_id: str | None) -> bytes | None:
        return session_id.encode() if self._bind and session_id else None

    def _ciphers(self) -> list[AESGCM]:
        return typing.cast("list[AESGCM]", self._keys.current())


def _may_be_plain(data: bytes) -> bool:
    """True of every session in JSON, of no Fernet token, and of one record in 256 that begins with a random nonce."""
    return data[:1] == b"{"


def _is_fernet(key: object) -> bool:
    return type(key).__module__ == "cryptography.fernet"


def _multi_fernet(keys: list[str | bytes]) -> MultiFernet:
    from cryptography.fernet import Fernet, MultiFernet

    return MultiFernet([Fernet(key) for key in keys])


def _no_fernet_key(key: str | bytes) -> str | None:
    try:
        _multi_fernet([key])
    except ValueError:
        return (
            "cannot be used. A Fernet key is 32 bytes in URL-safe base64 (44 characters); make one with "
            "Fernet.generate_key()."
        )
    return None


def _aesgcm(keys: list[str | bytes]) -> list[AESGCM]:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return [AESGCM(_aes_key(key)) for key in keys]


def _no_aes_key(key: str | bytes) -> str | None:
    try:
        size = len(_aes_key(key))
    except ValueError:
        return "cannot be used. An AES-GCM key given as text is base64 or hexadecimal."
    if size in _KEY_BYTES:
        return None
    return (
        "cannot be used. An AES-GCM key is 16, 24 or 32 bytes, or text that encodes 32 bytes; "
        f"this one has {size} bytes."
    )


def _aes_key(key: str | bytes) -> bytes:
    """Return the key's bytes. Raises ValueError for text that encodes none."""
    if isinstance(key, bytes):
        return key
    if len(key) == 64:
        return bytes.fromhex(key)
    return base64.urlsafe_b64decode(key.replace("+", "-").replace("/", "_") + "=" * (-len(key) % 4))
