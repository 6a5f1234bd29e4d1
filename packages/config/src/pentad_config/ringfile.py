"""Change a file of keys: add one that only verifies, promote it to sign, prune the oldest.

Each step is one deployment apart: every node must know a key before any node signs with it, and must still
verify what an older key signed until the last cookie of that key has run out.
"""

from __future__ import annotations

import os
import secrets
import stat
import tempfile
from base64 import b64encode, urlsafe_b64encode
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, flock
from typing import TYPE_CHECKING

from pentad_config.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


#: What makes a key, by what it is for. 32 random bytes in standard base64 are an AES-256 key to every reader of base64.
_MAKERS: dict[str, Callable[[], str]] = {
    "text": lambda: secrets.token_urlsafe(48),
    "fernet": lambda: urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    "aes256": lambda: b64encode(secrets.token_bytes(32)).decode(),
}
KINDS = tuple(_MAKERS)


def add(path: str, kind: str = "text") -> int:
    """Append a new random key, which verifies but does not sign yet; return how many keys there are.

    `kind` is one of `KINDS`: "text" makes a key of 64 characters for signing, "fernet" one for Fernet, "aes256" one
    for AES with 256 bits. A file that does not exist is made with mode 0600 and one key.
    """
    with _alone(path):
        keys = [*_read(path, missing_ok=True), _MAKERS[kind]()]
        _write(path, keys, same_time=True)
    return len(keys)


def promote(path: str) -> int:
    """Move the last key to the front, so that it signs; return how many keys there are."""
    with _alone(path):
        keys = _read(path)
        _write(path, [keys[-1], *keys[:-1]])
    return len(keys)


def prune(path: str, keep: int) -> int:
    """Leave the first `keep` keys; return how many keys there are."""
    if keep < 1:
        raise ConfigError([Problem(path, f"a ring needs at least 1 key, not {keep}.")])
    with _alone(path):
        keys = _read(path)[:keep]
        _write(path, keys, same_time=True)
    return len(keys)


@contextmanager
def _alone(path: str) -> Iterator[None]:
    """Keep other processes from changing the file meanwhile: of two that read the same keys, one would lose its own.

    The folder is locked, as the file itself is replaced.
    """
    try:
        folder = os.open(os.path.dirname(os.path.realpath(path)), os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ConfigError([Problem(path, f"cannot be written: {error.strerror}.")]) from None
    try:
        with suppress(OSError):  # NFS locks no folders; changing the ring still has to work there
            flock(folder, LOCK_EX)
        yield
    finally:
        os.close(folder)


def _read(path: str, *, missing_ok: bool = False) -> list[str]:
    try:
        with open(path, encoding="utf-8") as file:
            keys = file.read().split()
    except FileNotFoundError:
        if missing_ok:
            return []
        raise ConfigError([Problem(path, "does not exist. Make it with: pentad-config ring add FILE")]) from None
    except OSError as error:
        raise ConfigError([Problem(path, f"cannot be read: {error.strerror}.")]) from None
    except UnicodeDecodeError:
        raise ConfigError([Problem(path, "is not text. Is this the right file?")]) from None
    if not keys and not missing_ok:
        raise ConfigError([Problem(path, "holds no keys.")])
    return keys


def _write(path: str, keys: Sequence[str], *, same_time: bool = False) -> None:
    """Write a new file beside the old one and rename it over, with the old one's mode and owner.

    `same_time` keeps its time as well: a ring's `settle` counts from when the signing key changed.
    """
    real = os.path.realpath(path)
    temporary = ""
    try:
        before = os.stat(real) if os.path.exists(real) else None
        descriptor, temporary = tempfile.mkstemp(prefix=".ring-", dir=os.path.dirname(real))
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.writelines(f"{key}\n" for key in keys)
            if before is not None:
                _take_over(descriptor, before)
            file.flush()
            os.fsync(descriptor)
        if before is not None and same_time:
            os.utime(temporary, ns=(before.st_atime_ns, before.st_mtime_ns))
        os.replace(temporary, real)
    except BaseException as error:  # Ctrl-C too: the temporary file holds the keys
        if temporary:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
        if isinstance(error, OSError):
            raise ConfigError([Problem(path, f"cannot be written: {error.strerror}.")]) from None
        raise


def _take_over(descriptor: int, before: os.stat_result) -> None:
    """Give the new file the mode and the owner of the old one."""
    os.fchmod(descriptor, stat.S_IMODE(before.st_mode))
    if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
        os.fchown(descriptor, before.st_uid, before.st_gid)
