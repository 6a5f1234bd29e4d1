"""`override`: environment variables for the length of a test."""

from __future__ import annotations

import os
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def override(**env: str | None) -> Iterator[None]:
    """Set environment variables inside the block and restore what was there before.

    A value of None unsets the variable. Settings loaded inside the block see the changed environment.
    """
    before = {name: os.environ.get(name) for name in env}
    try:
        _apply(env)
        yield
    finally:
        _apply(before)


def _apply(env: dict[str, str | None]) -> None:
    for name, value in env.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
