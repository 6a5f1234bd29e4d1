"""`Together`: several secrets that belong together, always of one generation."""

from __future__ import annotations

import os
import time
from _thread import allocate_lock
from weakref import ref as weak

from pentad_config.errors import ConfigError, Problem, SecretMisuse
from pentad_config.files import FileSource, signature
from pentad_config.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Never

    from pentad_config.files import Signature

_TRIES = 60
_PAUSE = 0.02
_live: set[weak[Together]] = set()


class Together:
    """Secrets that are rotated together: access key and secret key, certificate and key.

    `reveal()` gives one generation of all of them. While their files are being swapped the previous
    generation is given, without waiting; files are looked at no more often than every `ttl` seconds.
    """

    __slots__ = ("__weakref__", "_due", "_lock", "_seen", "_ttl", "_values", "generation", "secrets")

    def __init__(self, *secrets: Secret, ttl: float = 1.0) -> None:
        self.secrets: tuple[Secret, ...] = ()
        strays = [type(secret).__name__ for secret in secrets if not isinstance(secret, Secret)]  # type: ignore[redundant-expr]
        if strays or not secrets:
            del secrets  # a traceback with local variables would show them
            raise SecretMisuse(f"Together: Secrets are needed, not {', '.join(strays) or 'nothing'}.")
        self.secrets = secrets
        self.generation = 0
        self._ttl = ttl
        self._values: tuple[str | bytes, ...] | None = None
        self._seen: list[Signature | None] = []
        self._due = 0.0
        self._lock = allocate_lock()
        _live.add(weak(self, _live.discard))

    def reveal(self) -> tuple[str | bytes, ...]:
        """Return the values in the order of the secrets. Raises ConfigError if there never was a whole set."""
        values = self._values
        if values is not None and time.monotonic() < self._due:
            return values
        with self._lock:
            return self._look()

    def _look(self) -> tuple[str | bytes, ...]:
        for _ in range(_TRIES):
            values = self._one_generation()
            if values is not None:
                if values != self._values:
                    self.generation += 1
                self._values, self._due = values, time.monotonic() + self._ttl
                return values
            if self._values is not None:
                return self._values
            time.sleep(_PAUSE)
        names = ", ".join(secret.name for secret in self.secrets)
        raise ConfigError([Problem(names, "kept changing while they were read together.")])

    def _one_generation(self) -> tuple[str | bytes, ...] | None:
        """Return the values if all files stood still while they were read, else None."""
        try:
            before = [_on_disk(secret) for secret in self.secrets]
            if self._values is not None and before == self._seen and not self._must_read():
                return self._values
            values = tuple(secret._source.read(force=True) for secret in self.secrets)  # noqa: SLF001
            after = [_on_disk(secret) for secret in self.secrets]
        except OSError:
            self._read_each_file()
            return None
        if not before == after == [_adopted(secret) for secret in self.secrets]:
            return None
        self._seen = after
        return values

    def _must_read(self) -> bool:
        """Tell whether the files' signatures do not say it all: other sources have none, a problem may be over."""
        return any(secret.problem or not isinstance(secret._source, FileSource) for secret in self.secrets)  # noqa: SLF001

    def _read_each_file(self) -> None:
        """Let each file say in its setting's name what is wrong: as an error at the start, later as its `problem`."""
        for secret in self.secrets:
            if isinstance(secret._source, FileSource):  # noqa: SLF001
                secret.reveal()

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.secrets, self._ttl)

    def __getstate__(self) -> Never:
        raise SecretMisuse(f"{self!r} holds its values in clear and shows no attributes.")

    def __repr__(self) -> str:
        return f"<Together {', '.join(secret.name for secret in self.secrets)}>"


def _on_disk(secret: Secret) -> Signature | None:
    source = secret._source  # noqa: SLF001
    return signature(os.stat(source.path)) if isinstance(source, FileSource) else None


def _adopted(secret: Secret) -> Signature | None:
    source = secret._source  # noqa: SLF001
    return source.generation if isinstance(source, FileSource) else None


def _restore(secrets: tuple[Secret, ...], ttl: float) -> Together:
    return Together(*secrets, ttl=ttl)


def _fresh_locks() -> None:
    """Give the child of a fork its own locks: another thread may have held one, and does not exist there."""
    for reference in _live.copy():
        if (bundle := reference()) is not None:
            bundle._lock = allocate_lock()  # noqa: SLF001


os.register_at_fork(after_in_child=_fresh_locks)
