"""Where an operation that is committed piece by piece keeps how far it has come."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

__all__ = ("Checkpoint", "current_step", "running")


class Checkpoint(NamedTuple):
    """Where an operation that runs now may keep a state of its own until its migration is finished."""

    load: Callable[[], str | None]
    save: Callable[[str], None]
    say: Callable[[str], None]


_current: list[Checkpoint] = []


def current_step() -> Checkpoint | None:
    """Return the checkpoint of the operation that runs, `None` in a migration that is one transaction."""
    return _current[-1] if _current else None


@contextmanager
def running(checkpoint: Checkpoint) -> Iterator[None]:
    """Make a checkpoint the current one."""
    _current.append(checkpoint)
    try:
        yield
    finally:
        _current.pop()
