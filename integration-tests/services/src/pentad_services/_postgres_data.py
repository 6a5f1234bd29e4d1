"""Making a PostgreSQL data folder, as an account that PostgreSQL accepts (it refuses root)."""

from __future__ import annotations

import functools
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pentad_services._credentials import kept_secret
from pentad_services.errors import StartFailed
from pentad_services.guard import ProcessGuard


@dataclass(frozen=True)
class Account:
    """How the server is run: a command to put before it, or another user."""

    prefix: tuple[str, ...] = ()
    user: str | None = None

    @classmethod
    def choose(cls, program: Path) -> Self:
        """Ourselves; for root, a user namespace in which root is nobody; failing that, the user nobody.

        The namespace needs no other user, no chown, and works below folders that only root may enter.
        """
        if os.geteuid() != 0:
            return cls()
        number = pwd.getpwnam("nobody").pw_uid
        prefix = ("unshare", "--user", f"--map-user={number}", f"--map-group={number}")
        if _works(prefix):
            return cls(prefix=prefix)
        if subprocess.run([program, "--version"], user="nobody", capture_output=True, check=False).returncode == 0:
            return cls(user="nobody")
        raise StartFailed(
            f"postgres: refuses to run as root, this system has no user namespaces (unshare --user), and the user "
            f"nobody cannot run {program}. Run the tests as an ordinary user."
        )


@functools.cache
def _works(prefix: tuple[str, ...]) -> bool:
    if shutil.which(prefix[0]) is None:
        return False
    return subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0


def password_file(data: Path) -> Path:
    """The file that keeps the superuser's password: beside the data folder, which initdb wants empty."""
    return data.with_name(data.name + ".password")


def made_by_version(data: Path) -> str | None:
    """The major version of the PostgreSQL that made the cluster in this folder; None where there is none."""
    kept = data / "PG_VERSION"
    return kept.read_text().strip() if kept.exists() else None


def make_cluster(program: Path, data: Path, account: Account, guard: ProcessGuard, *, durable: bool) -> None:
    """Make `data` a database cluster that asks for its superuser's password, unless it is one."""
    if made_by_version(data) is None:
        data.parent.mkdir(parents=True, exist_ok=True)
        _initialise(program, data, account, guard, durable=durable)
    _check_version(program, data)


def _initialise(program: Path, data: Path, account: Account, guard: ProcessGuard, *, durable: bool) -> None:
    data.mkdir(mode=0o700, exist_ok=True)
    password = password_file(data)
    kept_secret(password)
    if account.user:
        for path in (data, password):
            shutil.chown(path, account.user)
        os.chmod(guard.folder, 0o711)  # noqa: S103 - lets that user pass through, not look
    command: list[str | os.PathLike[str]] = [
        *account.prefix,
        program.with_name("initdb"),
        "-D",
        data,
        "-U",
        "postgres",
        "-E",
        "UTF8",
        "--no-locale",
        "-A",
        "scram-sha-256",
        "--pwfile",
        password,
        *([] if durable else ["--no-sync"]),
    ]
    log = data.with_name(data.name + ".initdb.log")
    process = guard.spawn(
        command,
        log=log,
        cwd="/",
        user=account.user,
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        # The server that it starts has shared memory in /dev/shm, and takes it away only when it ends by itself.
        grace=2,
    )
    if process.wait(120) != 0:
        raise StartFailed(f"postgres: initdb ended with code {process.returncode}. Its log ends:\n{process.tail()}")


def _check_version(program: Path, data: Path) -> None:
    made_by = made_by_version(data)
    runs = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    if f" {made_by}." not in runs and f" {made_by}beta" not in runs:
        raise StartFailed(
            f"postgres: {data} was made by PostgreSQL {made_by}, but {program} is {runs.strip()}. "
            f"Install PostgreSQL {made_by}, or move the folder away to start with an empty one."
        )
