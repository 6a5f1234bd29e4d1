"""`KeyRing`: several keys of which the first signs and all verify, changing while the process runs."""

from __future__ import annotations

from pentad_config.errors import ConfigError, Problem
from pentad_config.files import FileSource
from pentad_config.secret import Secret, reveal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable
    from typing import Any, TypeVar

    T = TypeVar("T")


class KeyRing:
    """Keys of which the first signs or encrypts and every one verifies or decrypts.

    `source` is a Secret or text with one key per line (any white space separates), or a sequence of keys,
    newest first. Keys in a file may change at any time: every use sees the current ones. For `settle` seconds
    after the file was written the key that signed before keeps signing, so that other nodes can learn the new
    one first; choose more than the lag between nodes plus the file's `ttl`. Keys shorter than `min_length`
    characters are refused.
    """

    def __init__(
        self,
        source: Secret | str | bytes | Iterable[Any],
        *,
        settle: float = 0.0,
        min_length: int = 32,
        name: str = "keys",
    ) -> None:
        self.name = source.name if isinstance(source, Secret) else name
        self.settle = settle
        self.min_length = min_length
        self._sources = _sources(source, self.name)
        self._texts: tuple[str, ...] = ()
        self._keys: tuple[str, ...] = ()
        self._primary = ""
        self._version = 0
        self._memo: dict[Hashable, Any] = {}
        self._sync()

    @property
    def primary(self) -> str:
        """The key that signs now."""
        self._sync()
        return self._primary

    @property
    def version(self) -> int:
        """A number that moves whenever the keys or the signing key change."""
        self._sync()
        return self._version

    def newest_first(self) -> list[str]:
        """Return the keys with the signing key first: the order of Django and of MultiFernet."""
        self._sync()
        return [self._primary, *(key for key in self._keys if key != self._primary)]

    def oldest_first(self) -> list[str]:
        """Return the keys with the signing key last: the order of itsdangerous."""
        return self.newest_first()[::-1]

    def refresh(self) -> bool:
        """Look at the source now; True if the ring changed. Call it once when a signature does not verify."""
        before = self._version
        for source in self._sources:
            source._source.read(force=True)  # noqa: SLF001
        self._sync()
        return self._version != before

    def derived(self, tag: Hashable, build: Callable[[KeyRing], T]) -> T:
        """Return `build(self)`, made once for each version of the ring: a signer, a MultiFernet."""
        self._sync()
        memo = self._memo
        try:
            return memo[tag]  # type: ignore[no-any-return]
        except KeyError:
            return memo.setdefault(tag, build(self))  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<KeyRing {self.name}: {len(self._keys)} keys, version {self._version}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self._sources, self.settle, self.min_length, self.name)

    def __copy__(self) -> KeyRing:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> KeyRing:
        return self

    def _sync(self) -> None:
        texts = tuple(source.text() for source in self._sources)
        keys = self._keys if texts == self._texts else self._parsed(texts)
        primary = keys[1] if len(keys) > 1 and self._settling() else keys[0]
        if keys != self._keys or primary != self._primary:
            self._keys, self._primary, self._memo = keys, primary, {}
            self._version += 1
        self._texts = texts

    def _settling(self) -> bool:
        # Judged by the file's own time, so that a process started in the middle of a rotation agrees.
        if not self.settle:
            return False
        ages = [s.age for s in self._sources if isinstance(s._source, FileSource)]  # noqa: SLF001
        return any(age is not None and age < self.settle for age in ages)

    def _parsed(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        keys = tuple(dict.fromkeys(key for text in texts for key in text.split()))
        if not keys:
            raise ConfigError([Problem(self.name, f"no keys in {self._where()}.")])
        short = [(place, len(key)) for place, key in enumerate(keys, 1) if len(key) < self.min_length]
        if short:
            raise ConfigError(
                Problem(self.name, f"key {place} has {length} characters, {self.min_length} needed.")
                for place, length in short
            )
        return keys

    def _where(self) -> str:
        return ", ".join(source.ref.partition(":")[2] if source.ref else "the given text" for source in self._sources)


def _sources(source: Secret | str | bytes | Iterable[Any], name: str) -> tuple[Secret, ...]:
    if isinstance(source, Secret):
        return (source,)
    if isinstance(source, str):
        return (Secret.at(source, name=name),)
    if isinstance(source, bytes) or not hasattr(source, "__iter__"):
        return (Secret(reveal(source, name=name), name=name),)
    found = tuple(item if isinstance(item, Secret) else Secret(reveal(item, name=name), name=name) for item in source)
    if not found:
        raise ConfigError([Problem(name, "no keys were given.")])
    return found


def _restore(sources: tuple[Secret, ...], settle: float, min_length: int, name: str) -> KeyRing:
    return KeyRing(sources, settle=settle, min_length=min_length, name=name)
