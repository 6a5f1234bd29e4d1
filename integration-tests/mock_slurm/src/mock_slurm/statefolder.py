"""One controller to a state folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["StateFolderInUseError", "claimed"]


class StateFolderInUseError(RuntimeError):
    """Another controller already owns the folder."""


@contextmanager
def claimed(folder: Path) -> Iterator[Path]:
    """Own a state folder (made if missing) while the block runs. The kernel gives a dead owner's lock back."""
    folder.mkdir(parents=True, exist_ok=True)
    fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StateFolderInUseError(
                f"{folder}: another controller runs here; stop it or take another folder"
            ) from error
        yield folder
    finally:
        os.close(fd)
