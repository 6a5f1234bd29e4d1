"""`KeyRing`: several keys of which the first signs and all verify, changing while the process runs."""

from __future__ import annotations

from _thread import _local
from itertools import count

from pentad_config.errors import ConfigError, Problem, warn
from pentad_config.files import FileSource
from pentad_config.secret import Secret, reveal
from pentad_config.sources import is_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable
    from typing import Any, TypeVar

    T = TypeVar("T")


class _State:
    """One version of a ring. Replaced as a whole, so that threads never see parts of two."""

    __slots__ = ("keys", "memo", "primary", "values", "version")

    def __init__(self, values: list[str | bytes], keys: tuple[str, ...], primary: str, version: int) -> None:
        self.values = values
        self.keys = keys
        self.primary = primary
        self.version = version
        self.memo: dict[Hashable, Any] = {}

    def __repr__(self) -> str:
        return f"<version {self.version}>"


class KeyRing:
    """Keys of which the first signs or encrypts and every one verifies or decrypts.

    `source` is a Secret or text with one key per line (any white space separates), or a sequence of keys,
    newest first. Keys in a file may change at any time: every use sees the current ones. For `settle` seconds
    after the file was written the key that signed before keeps signing, so that other nodes can learn the new
    one first; choose more than the lag between nodes plus the file's `ttl`. Keys shorter than `min_length`
    characters are refused: at the start by ConfigError, later by keeping the keys there were (`problem`). So are
    keys of which `check` returns what is wrong with them, such as "is not base64." (None if all is well; it must
    not repeat the key). It is asked when keys are read, not when they are used.
    """

    __slots__ = (
        "__weakref__",
        "_check",
        "_numbers",
        "_problem",
        "_seen",
        "_sources",
        "_state",
        "min_length",
        "name",
        "settle",
    )

    def __init__(
        self,
        source: Secret | str | bytes | Iterable[Any],
        *,
        settle: float = 0.0,
        min_length: int = 32,
        name: str = "keys",
        check: Callable[[str], str | None] | None = None,
    ) -> None:
        self.name = source.name if isinstance(source, Secret) else name
        self.settle = settle
        self.min_length = min_length
        self._check = check
        self._problem: ConfigError | None = None
        self._state: _State | None = None
        try:
            self._sources = _sources(source, self.name)
        finally:
            del source  # a traceback with local variables would show it
        self._seen = _local()
        self._numbers = count(1)  # no two versions have the same number, whichever threads make them
        self._current()

    @property
    def primary(self) -> str:
        """The key that signs now."""
        return self._current().primary

    @property
    def version(self) -> int:
        """A number that moves whenever the keys or the signing key change."""
        return self._current().version

    @property
    def problem(self) -> Exception | None:
        """Why older keys than the source's are still used, or None if all is well."""
        return self._problem or next((source.problem for source in self._sources if source.problem), None)

    def newest_first(self) -> list[str]:
        """Return the keys with the signing key first: the order of Django and of MultiFernet."""
        state = self._current()
        return [state.primary, *(key for key in state.keys if key != state.primary)]

    def oldest_first(self) -> list[str]:
        """Return the keys with the signing key last: the order of itsdangerous."""
        return self.newest_first()[::-1]

    def refresh(self) -> bool:
        """Look at the source now; True if the ring changed since this thread used it last.

        Call it once when a signature does not verify, and try again if it is True.
        """
        before = getattr(self._seen, "state", self._state)
        for source in self._sources:
            source._source.read(force=True)  # noqa: SLF001
        return self._current() is not before

    def derived(self, tag: Hashable, build: Callable[[KeyRing], T]) -> T:
        """Return `build(self)`, made once for each version of the ring: a signer, a MultiFernet."""
        memo = self._current().memo
        try:
            return memo[tag]  # type: ignore[no-any-return]
        except KeyError:
            return memo.setdefault(tag, build(self))  # type: ignore[no-any-return]

    def checked(self, check: Callable[[str], str | None]) -> KeyRing:
        """Return a ring of the same source that also refuses keys of which `check` returns what is wrong with them.

        For whoever is given a ring and knows what its keys have to be, such as a cipher. Raises ConfigError if the
        keys of now are refused; later the ones there were stay in use.
        """
        both = check if self._check is None else _Both(self._check, check)
        return _restore(self._sources, self.settle, self.min_length, self.name, both)

    def __repr__(self) -> str:
        state = self._state
        return f"<KeyRing {self.name}: {len(state.keys)} keys, version {state.version}>" if state else "<KeyRing>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self._sources, self.settle, self.min_length, self.name, self._check)

    def __copy__(self) -> KeyRing:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> KeyRing:
        return self

    def _current(self) -> _State:
        state = self._state
        values = [source._source.read() for source in self._sources]  # noqa: SLF001
        if state is not None and values == state.values and not self.settle:
            self._seen.state = state
            return state
        keys = state.keys if state is not None and values == state.values else self._adopted()
        if not keys:
            del values  # a traceback with local variables would show them
            raise ConfigError(self._problem.problems if self._problem else [])
        primary = self._signing(keys)
        if state is None or keys != state.keys or primary != state.primary:
            state = _State(values, keys, primary, next(self._numbers))
        state.values = values  # others than before if they were refused or say the same: not parsed again
        self._state = self._seen.state = state
        return state

    def _adopted(self) -> tuple[str, ...]:
        """Return the source's keys, or those there were if these cannot be used: none at the start."""
        keys, problems = self._parsed()
        self._problem = ConfigError(problems) if problems else None
        if not problems:
            return keys
        if self._state is None:
            return ()
        warn(f"{problems[0]} The keys there were are still used.")
        return self._state.keys

    def _parsed(self) -> tuple[tuple[str, ...], list[Problem]]:
        try:
            items = [source.text().split() for source in self._sources]
        except ConfigError as error:
            return (), error.problems
        if not all(items):
            lacking = f"no keys in {self._where()}." if len(items) == 1 else f"item {items.index([]) + 1} is empty."
            return (), [Problem(self.name, lacking)]
        keys = tuple(dict.fromkeys(key for item in items for key in item))
        return keys, [
            Problem(self.name, f"key {place} {wrong}")
            for place, key in enumerate(keys, 1)
            if (wrong := self._wrong(key))
        ]

    def _wrong(self, key: str) -> str | None:
        if len(key) < self.min_length:
            return f"has {len(key)} characters, {self.min_length} needed."
        if not is_text(key):
            return "is not UTF-8 text. Store it as base64."
        return self._check(key) if self._check is not None else None

    def _signing(self, keys: tuple[str, ...]) -> str:
        """Return the first key, or the one before it while the file is young."""
        if len(keys) == 1 or not self._settling():
            return keys[0]
        # Every node knows what this process signed with. One that starts now goes by the order, newest first,
        # and by the file's own time, so that it agrees with the others in the middle of a rotation.
        before = self._state.primary if self._state is not None else None
        return before if before in keys else keys[1]

    def _settling(self) -> bool:
        if not self.settle:
            return False
        ages = [s.age for s in self._sources if isinstance(s._source, FileSource)]  # noqa: SLF001
        return any(age is not None and age < self.settle for age in ages)

    def _where(self) -> str:
        return ", ".join(source.ref.partition(":")[2] if source.ref else "the given text" for source in self._sources)


def _sources(source: Secret | str | bytes | Iterable[Any], name: str) -> tuple[Secret, ...]:
    if isinstance(source, Secret):
        return (source,)
    if isinstance(source, str):
        return (Secret.at(source, name=name),)
    if isinstance(source, bytes) or not hasattr(source, "__iter__"):
        try:
            return (_secret(source, name),)
        finally:
            del source
    # The list is emptied on the way: should an item be refused, the frame shows none of the others.
    items = list(source)
    del source
    found: list[Secret] = []
    while items:
        found.append(_secret(items.pop(0), name))
    if not found:
        raise ConfigError([Problem(name, "no keys were given.")])
    return tuple(found)


def _secret(item: Any, name: str) -> Secret:
    try:
        return item if isinstance(item, Secret) else Secret(reveal(item, name=name), name=name)
    finally:
        del item  # a traceback with local variables would show it


class _Both:
    """Two checks of a key, one after the other; unlike a closure it can be pickled."""

    __slots__ = ("_first", "_second")

    def __init__(self, first: Callable[[str], str | None], second: Callable[[str], str | None]) -> None:
        self._first, self._second = first, second

    def __call__(self, key: str) -> str | None:
        return self._first(key) or self._second(key)


def _restore(
    sources: tuple[Secret, ...], settle: float, min_length: int, name: str, check: Callable[[str], str | None] | None
) -> KeyRing:
    return KeyRing(sources, settle=settle, min_length=min_length, name=name, check=check)
