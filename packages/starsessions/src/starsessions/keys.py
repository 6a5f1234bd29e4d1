"""Keys in whatever form an application holds them: one, several, rotating in a file.

The first key signs or encrypts, every key verifies or decrypts.
"""

from __future__ import annotations

import hashlib
import typing
from collections.abc import Callable, Sequence

from pentad_config import KeyRing, Secret, reveal
from starsessions.exceptions import ImproperlyConfigured

__all__ = ["KeyLike", "Keys"]

if typing.TYPE_CHECKING:
    from starlette.datastructures import Secret as StarletteSecret

    Key = str | bytes | Secret | StarletteSecret | Callable[[], str | bytes]
    KeyLike = Key | KeyRing | Sequence[Key]
else:
    KeyLike = typing.Any

T = typing.TypeVar("T")
_REFERENCES = ("env:", "file:")


class Keys:
    """The current keys, newest first, and what is built from them.

    A text is one key, blanks and all, unless it is a reference (`env:NAME`, `file:/path`). A reference, or a
    `Secret` made of one, is read as a ring with one key per line. A sequence holds one key per item.
    `build` makes the object that uses the keys (a signer, a cipher); it is called again only when they changed.
    """

    def __init__(self, source: KeyLike, build: Callable[[list[str | bytes]], T], *, name: str) -> None:
        self._ring, self._secrets = _split(source, name)
        self._build: Callable[[list[str | bytes]], typing.Any] = build
        self._built: tuple[bytes, typing.Any] | None = None
        if self._ring is None and not self._secrets:
            raise ImproperlyConfigured(f"{name}: no key was given.")

    def newest_first(self) -> list[str | bytes]:
        """Return the keys; the first is the one that signs or encrypts."""
        if self._ring is not None:
            return list(self._ring.newest_first())
        return [secret.reveal() for secret in self._secrets]

    def current(self) -> typing.Any:
        """Return what `build` makes of the current keys."""
        if self._ring is not None:
            return self._ring.derived(self._build, lambda ring: self._build(list(ring.newest_first())))
        keys = self.newest_first()
        digest = _digest(keys)
        if self._built is None or self._built[0] != digest:
            self._built = digest, self._build(keys)
        return self._built[1]

    def refresh(self) -> bool:
        """Look at the source again after a key did not fit; True if there are new keys to try."""
        return self._ring is not None and self._ring.refresh()

    def __repr__(self) -> str:
        return f"<Keys {self._ring or len(self._secrets)!r}>"


def _split(source: typing.Any, name: str) -> tuple[KeyRing | None, tuple[Secret, ...]]:
    if isinstance(source, KeyRing):
        return source, ()
    if isinstance(source, str) and source.startswith(_REFERENCES):
        source = Secret.at(source, name=name)
    if isinstance(source, Secret) and source.ref is not None and isinstance(source.reveal(), str):
        return KeyRing(source, min_length=1, name=name), ()
    if isinstance(source, Sequence) and not isinstance(source, (str, bytes)):
        return None, tuple(_literal(item, name) for item in source)
    return None, (_literal(source, name),)


def _digest(keys: list[str | bytes]) -> bytes:
    """Return what tells keys apart without keeping them where a debugger's list of variables shows them."""
    digest = hashlib.blake2b(digest_size=16)
    for key in keys:
        data = key if isinstance(key, bytes) else key.encode()
        digest.update(len(data).to_bytes(8) + data)
    return digest.digest()


def _literal(key: typing.Any, name: str) -> Secret:
    if isinstance(key, Secret):
        return key
    if callable(key) and not hasattr(key, "get_secret_value"):
        return Secret(key, name=name)
    value = reveal(key, name=name)
    if not value:
        raise ImproperlyConfigured(f"{name}: an empty key protects nothing. Give a long random text.")
    return Secret(value, name=name)
