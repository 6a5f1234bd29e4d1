"""Keys in whatever form an application holds them: one, several, rotating in a file.

The first key signs or encrypts, every key verifies or decrypts.
"""

from __future__ import annotations

import hashlib
import typing
from collections.abc import Callable, Sequence

from pentad_config import ConfigError, KeyRing, Secret, reveal
from starsessions.exceptions import ImproperlyConfigured

__all__ = ["KeyLike", "Keys"]

if typing.TYPE_CHECKING:
    from starlette.datastructures import Secret as StarletteSecret

    Key = str | bytes | Secret | StarletteSecret | Callable[[], str | bytes]
    KeyLike = Key | KeyRing | Sequence[Key]
    Check = Callable[[str | bytes], str | None]
else:
    KeyLike = typing.Any

T = typing.TypeVar("T")
_REFERENCES = ("env:", "file:")


class Keys:
    """The current keys, newest first, and what is built from them.

    A text is one key, blanks and all, unless it is a reference (`env:NAME`, `file:/path`). A reference, or a
    `Secret` made of one, is read as a ring with one key per line. A sequence holds one key per item.
    `build` makes the object that uses the keys (a signer, a cipher); it is called again only when they changed.
    `check` returns what is wrong with a key, without repeating it, or None: `build` is given none that cannot work,
    and in a file they replace none that can.
    """

    # Here, so that an instance which was refused half-built still has a repr.
    _ring: KeyRing | None = None
    _secrets: tuple[Secret, ...] = ()

    def __init__(
        self,
        source: KeyLike,
        build: Callable[[list[str | bytes]], T],
        *,
        name: str,
        check: Check | None = None,
    ) -> None:
        self._name = name
        self._check = check
        self._build: Callable[[list[str | bytes]], typing.Any] = build
        self._built: tuple[bytes, typing.Any] | None = None
        try:
            self._never_changes = _is_given(source)
            self._ring, self._secrets = _split(source, name, check)
        finally:
            del source  # a traceback with local variables would show it
        if self._ring is None and not self._secrets:
            raise ImproperlyConfigured(f"{name}: no key was given.")

    def newest_first(self) -> list[str | bytes]:
        """Return the keys; the first is the one that signs or encrypts.

        Raises ImproperlyConfigured if one is empty or cannot be encoded.
        """
        keys: list[str | bytes] = (
            [secret.reveal() for secret in self._secrets] if self._ring is None else [*self._ring.newest_first()]
        )
        wrong = _first_wrong(keys, _no_key)
        if wrong is None:
            return keys
        del keys  # a traceback with local variables would show them
        raise ImproperlyConfigured(f"{self._name}: {wrong}")

    def current(self) -> typing.Any:
        """Return what `build` makes of the current keys. Raises ImproperlyConfigured if one cannot be used."""
        if self._ring is not None:
            return self._ring.derived(self._build, lambda _: self._made(self.newest_first()))
        if self._built is not None and self._never_changes:
            return self._built[1]
        keys = self.newest_first()
        digest = _digest(keys)
        try:
            if self._built is None or self._built[0] != digest:
                self._built = digest, self._made(keys)
        finally:
            del keys
        return self._built[1]

    def _made(self, keys: list[str | bytes]) -> typing.Any:
        wrong = _first_wrong(keys, self._check)
        if wrong is None:
            return self._build(keys)
        del keys
        raise ImproperlyConfigured(f"{self._name}: {wrong}")

    def refresh(self) -> bool:
        """Look at the source again after a key did not fit; True if there are new keys to try."""
        return self._ring is not None and self._ring.refresh()

    def __repr__(self) -> str:
        return f"<Keys {self._ring or len(self._secrets)!r}>"


def _split(source: typing.Any, name: str, check: Check | None) -> tuple[KeyRing | None, tuple[Secret, ...]]:
    try:
        if isinstance(source, KeyRing):
            return source if check is None else source.checked(check), ()
        if isinstance(source, str) and source.startswith(_REFERENCES):
            source = Secret.at(source, name=name)
        if isinstance(source, Secret) and source.ref is not None and isinstance(source.reveal(), str):
            return KeyRing(source, min_length=1, name=name, check=check), ()
    except ConfigError as error:
        raise ImproperlyConfigured(str(error)) from None
    if not isinstance(source, Sequence) or isinstance(source, (str, bytes)):
        source = (source,)
    # The list is emptied on the way: should an item be refused, the frame shows none of the others.
    items, found = list(source), []
    del source
    while items:
        found.append(_literal(items.pop(0), name))
    return None, tuple(found)


def _is_given(source: typing.Any) -> bool:
    """Tell whether the keys themselves were given, not something that is asked for them."""
    items = source if isinstance(source, (list, tuple)) else (source,)
    return all(isinstance(item, (str, bytes)) for item in items)


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
    try:
        return Secret(reveal(key, name=name), name=name)
    finally:
        del key


def _first_wrong(keys: list[str | bytes], check: Check | None) -> str | None:
    """Return what is wrong with the first key that cannot be used, None if all can.

    It is returned and not raised, as the frames of an exception would show the keys.
    """
    wrongs = (check(key) for key in keys) if check is not None else ()
    return next((f"key {place} {wrong}" for place, wrong in enumerate(wrongs, 1) if wrong), None)


def _no_key(key: str | bytes) -> str | None:
    if not key.strip():
        return "is empty and protects nothing. Give a long random text."
    if isinstance(key, str) and not key.isascii():
        try:
            key.encode()
        except UnicodeEncodeError:
            return "is not UTF-8 text. Give other bytes than text as bytes."
    return None
