"""Encrypted events whose keys can be changed."""

from base64 import b64decode
from os import urandom

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from eventsourcing.persistence import Cipher
from eventsourcing.utils import Environment

from pentad_config import KeyRing, Secret

__all__ = ["KeyRingCipher"]

_NONCE = 12  # bytes, at the front of a ciphertext
_TAG = 16  # bytes, after the nonce: where eventsourcing's AESCipher has it
_KEY_SIZES = (16, 24, 32)  # bytes


class KeyRingCipher(Cipher):
    """AES-GCM with several keys: the first encrypts, all decrypt.

    Reads what `eventsourcing.cipher.AESCipher` has written, and writes what that reads. Takes the keys from
    ``CIPHER_KEY``: base64 of 16, 24 or 32 random bytes each, separated by blanks or line ends, the newest first. The
    value may also be ``file:/path`` or ``env:NAME``, which keeps the keys out of the application's environment; a
    file is read again when it changes, so keys are changed without a restart. A key that cannot be one is an error
    at the start; later the keys there were stay in use, and the log says why.

    Args:
        environment: the application's environment.

    Raises:
        OSError: ``CIPHER_KEY`` is missing.
        pentad_config.ConfigError: a key is not base64 of 16, 24 or 32 bytes.
    """

    CIPHER_KEY = "CIPHER_KEY"

    def __init__(self, environment: Environment) -> None:
        source = environment.get(self.CIPHER_KEY)
        del environment  # it holds the keys, as `source` does; a traceback with local variables would show them
        if not source:
            raise OSError(f"'{self.CIPHER_KEY}' not in env: set it to the keys, or to 'file:/path' or 'env:NAME'")
        secret = Secret.at(source, name=self.CIPHER_KEY)
        del source
        self._ring = KeyRing(secret, min_length=0, check=_unusable)

    def encrypt(self, plaintext: bytes) -> bytes:
        """Encrypt with the first key."""
        nonce = urandom(_NONCE)
        sealed = self._ciphers()[0].encrypt(nonce, plaintext, None)
        return nonce + sealed[-_TAG:] + sealed[:-_TAG]

    def decrypt(self, ciphertext: bytes) -> bytes:
        """Decrypt with the key that fits.

        Raises:
            ValueError: none fits, or the ciphertext is damaged.
        """
        if len(ciphertext) < _NONCE + _TAG:
            raise ValueError(f"Cipher text is damaged: {len(ciphertext)} bytes are too few")
        plaintext = self._opened(ciphertext)
        if plaintext is None and self._ring.refresh():
            plaintext = self._opened(ciphertext)
        if plaintext is None:
            raise ValueError(f"Cipher text is damaged, or its key is no longer in {self.CIPHER_KEY}")
        return plaintext

    def _opened(self, ciphertext: bytes) -> bytes | None:
        nonce, tag, sealed = ciphertext[:_NONCE], ciphertext[_NONCE : _NONCE + _TAG], ciphertext[_NONCE + _TAG :]
        for cipher in self._ciphers():
            try:
                return cipher.decrypt(nonce, sealed + tag, None)
            except InvalidTag:
                continue
        return None

    def _ciphers(self) -> list[AESGCM]:
        return self._ring.derived(KeyRingCipher, _make_ciphers)


def _make_ciphers(ring: KeyRing) -> list[AESGCM]:
    return [AESGCM(_decoded(key)) for key in ring.newest_first()]


def _unusable(key: str) -> str | None:
    return None if len(_decoded(key)) in _KEY_SIZES else "is not base64 of 16, 24 or 32 bytes."


def _decoded(key: str) -> bytes:
    """Return the key's bytes, none if it is not base64."""
    try:
        return b64decode(key, validate=True)
    except ValueError:
        return b""
