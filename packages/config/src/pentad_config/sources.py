"""Where a secret's value comes from: a literal, a callable, an environment variable or a file."""

from __future__ import annotations

import os
from weakref import ref as weak

from pentad_config.errors import ConfigError, Problem, SecretMisuse
from pentad_config.marker import refuse_marker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Never

#: Every source that is still in use, for `redact`. Weak: a source that is gone has nothing left to hide.
_live: set[weak[Source]] = set()


def live_sources() -> list[Source]:
    """Return the sources in use now."""
    # The copy is one step; iterating the set itself would fail when another thread makes a secret.
    return [source for reference in _live.copy() if (source := reference()) is not None]


class Source:
    """One origin of a value. `recent` holds the current value and the two before it, newest first."""

    __slots__ = ("__weakref__", "name", "problem", "recent")

    #: Reference that finds the same value again in another process, or None if there is none.
    ref: str | None = None

    def __init__(self, name: str) -> None:
        self.name = name
        self.recent: tuple[str | bytes, ...] = ()
        self.problem: ConfigError | None = None
        _live.add(weak(self, _live.discard))

    def read(self, *, force: bool = False) -> str | bytes:
        """Return the current value; `force` looks again even if a cached value is still fresh."""
        raise NotImplementedError

    @property
    def age(self) -> float | None:
        """Seconds since the value was written, or None where that cannot be known."""
        return None

    def remember(self, value: str | bytes) -> str | bytes:
        """Keep `value` among the recent ones, so that it can be redacted, and return it.

        Raises SecretMisuse if it is a marker: once for each new value, so that reading costs nothing more.
        """
        if not self.recent or self.recent[0] != value:
            refuse_marker(value, self.name)
            self.recent = (value, *self.recent[:2])
        return value

    def __reduce__(self) -> Never:
        raise SecretMisuse(f"the source of {self.name} holds its value in clear and is not pickled.")

    __getstate__ = __reduce__  # jsonpickle goes on to the attributes when __reduce__ refuses

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class LiteralSource(Source):
    """A value that was given as such."""

    __slots__ = ()

    def __init__(self, value: str | bytes, name: str) -> None:
        super().__init__(name)
        self.remember(value)

    def read(self, *, force: bool = False) -> str | bytes:  # noqa: ARG002
        """Return the value."""
        return self.recent[0]


class CallableSource(Source):
    """A function that is asked at every read: a vault client, a token service."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[[], str | bytes], name: str) -> None:
        super().__init__(name)
        self._call = call

    def read(self, *, force: bool = False) -> str | bytes:  # noqa: ARG002
        """Ask the callable."""
        value = self._call()
        if isinstance(value, (str, bytes)):
            return self.remember(value)
        found = type(value).__name__
        del value  # a traceback with local variables would show it
        raise ConfigError([Problem(self.name, f"its callable returned {found}, not text or bytes.")])


class EnvSource(Source):
    """An environment variable, looked up at every read."""

    __slots__ = ("_binary", "_variable")

    def __init__(self, variable: str, name: str, *, binary: bool) -> None:
        super().__init__(name)
        self._variable = variable
        self._binary = binary

    @property
    def ref(self) -> str:  # type: ignore[override]
        """The reference `env:VARIABLE`."""
        return f"env:{self._variable}"

    def read(self, *, force: bool = False) -> str | bytes:  # noqa: ARG002
        """Return the variable's value, or the last one if it has been taken out of the environment since.

        Raises ConfigError if it has never had one. Taking a secret out of `os.environ` after the start is good
        practice: child processes do not inherit it.
        """
        value = os.environ.get(self._variable)
        if not value:
            if self.recent:
                return self.recent[0]
            raise self._refusal("is empty. Set it." if value == "" else "is not set. Set it.")
        if self._binary:
            return self.remember(os.fsencode(value))
        if not is_text(value):
            del value
            raise self._refusal("is not UTF-8 text. Store it as base64, or read it with binary=True.")
        return self.remember(value)

    def _refusal(self, what: str) -> ConfigError:
        return ConfigError([Problem(self.name, f"the environment variable {self._variable} {what}")])


def is_text(value: str) -> bool:
    """Tell whether `value` can be encoded: Python smuggles bytes that are not UTF-8 in as lone surrogates."""
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)
