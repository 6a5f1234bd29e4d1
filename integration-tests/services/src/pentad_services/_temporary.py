"""Temporary folders that a later session removes when all who could have removed them were killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path

_PREFIX = "pentad-guard-"
_LOCK = ".pentad-guard"
_CLAIM = b"This folder belongs to a pentad_services.ProcessGuard, and is deleted when nobody holds this file's lock.\n"
_YOUNG = 60.0  # seconds in which a folder without a lock may still be in the making


def fast_folder() -> Path:
    """The folder for temporary data: /dev/shm (memory) where it is writable, else the system's own."""
    memory = Path("/dev/shm")  # noqa: S108 - folders below it are made by mkdtemp
    return memory if os.access(memory, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())


def make_folder(base: Path | None) -> tuple[Path, int]:
    """A new folder and the descriptor of its lock: while any process has that open, the folder is in use."""
    place = base or fast_folder()
    _remove_abandoned(place)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
    lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.write(lock, _CLAIM)
    return folder, lock


def _remove_abandoned(place: Path) -> None:
    for folder in place.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # someone else's, or gone meanwhile
            if (
                folder.stat().st_uid == os.geteuid()
                and time.time() - folder.stat().st_mtime > _YOUNG
                and _is_abandoned(folder)
            ):
                shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Names can coincide; only a folder that says so itself is ours to delete.
        return os.read(descriptor, len(_CLAIM) + 1) == _CLAIM
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
