"""`override`: environment variables for the length of a test."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any


class override:  # noqa: N801  it reads as a verb: with override(APP_PORT="0")
    """Set environment variables inside a `with` block or a decorated function, and restore them afterwards.

    A value of None unsets the variable. Settings loaded meanwhile see the changed environment.
    """

    def __init__(self, **env: str | None) -> None:
        self._env = env
        self._before: list[dict[str, str | None]] = []

    def __enter__(self) -> None:
        self._before.append({name: os.environ.get(name) for name in self._env})
        _apply(self._env)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _apply(self._before.pop())

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate `function` so that it runs inside the block."""
        from functools import wraps

        @wraps(function)
        def overridden(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return overridden


def _apply(env: dict[str, str | None]) -> None:
    for name, value in env.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
