"""Encrypted events whose keys can be changed."""

from base64 import b64decode
from os import urandom

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from eventsourcing.persistence import Cipher
from eventsourcing.utils import Environment, strtobool

from pentad_config import KeyRing, Secret

__all__ = ["KeyRingCipher"]

_NONCE = 12  # bytes, at the front of a ciphertext
_TAG = 16  # bytes, after the nonce: where eventsourcing's AESCipher has it
_KEY_SIZES = (16, 24, 32)  # bytes
_PLAIN = (b"{", b"\x78")  # how JSON of an event begins, plain and compressed by zlib


class KeyRingCipher(Cipher):
    """AES-GCM with several keys: the first encrypts, all decrypt.

    Reads what `eventsourcing.cipher.AESCipher` has written, and writes what that reads. Takes the keys from
    ``CIPHER_KEY``: base64 of 16, 24 or 32 random bytes each, separated by blanks or line ends, the newest first. The
    value may also be ``file:/path`` or ``env:NAME``, which keeps the keys out of the application's environment; a
    file is read again when it changes, so keys are changed without a restart. A key that cannot be one is an error
    at the start; later the keys there were stay in use, and the log says why.

    With ``CIPHER_ACCEPT_PLAINTEXT`` set to ``yes``, events from before the application encrypted them are read as well:
    JSON as the library writes it, plain or compressed with zlib. Whoever can write to the table can then add events
    without a key, so it is off unless it is asked for.

    Args:
        environment: the application's environment.

    Raises:
        OSError: ``CIPHER_KEY`` is missing, or ``CIPHER_ACCEPT_PLAINTEXT`` is neither yes nor no.
        pentad_config.ConfigError: a key is not base64 of 16, 24 or 32 bytes.
    """

    CIPHER_KEY = "CIPHER_KEY"
    CIPHER_ACCEPT_PLAINTEXT = "CIPHER_ACCEPT_PLAINTEXT"

    def __init__(self, environment: Environment) -> None:
        source = environment.get(self.CIPHER_KEY)
        accepts_plaintext = environment.get(self.CIPHER_ACCEPT_PLAINTEXT) or "no"
        del environment  # it holds the keys, as `source` does; a traceback with local variables would show them
        if not source:
            raise OSError(f"'{self.CIPHER_KEY}' not in env: set it to the keys, or to 'file:/path' or 'env:NAME'")
        try:
            self._accepts_plaintext = strtobool(accepts_plaintext)
        except ValueError:
            raise OSError(f"'{self.CIPHER_ACCEPT_PLAINTEXT}' in env is {accepts_plaintext!r}: say yes or no") from None
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
        is_whole = len(ciphertext) >= _NONCE + _TAG
        plaintext = self._opened(ciphertext) if is_whole else None
        if plaintext is None and is_whole and self._ring.refresh():
            plaintext = self._opened(ciphertext)
        if plaintext is not None:
            return plaintext
        if self._accepts_plaintext and ciphertext[:1] in _PLAIN:
            return ciphertext
        if not is_whole:
            raise ValueError(f"Cipher text is damaged: {len(ciphertext)} bytes are too few")
        raise ValueError(f"Cipher text is damaged, or its key is no longer in {self.CIPHER_KEY}")

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
