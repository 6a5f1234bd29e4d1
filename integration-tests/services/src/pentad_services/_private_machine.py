"""A view of this machine of one's own: its name and its files of users, changed for this process and its children.

Linux namespaces do it: nothing is written to /etc, so nothing has to be undone, also after SIGKILL. Needs root.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import socket
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from pentad_services.errors import Unavailable

__all__ = ["add_hosts", "add_users", "leave_the_shared_machine", "under_host_name"]

_CLONE_NEWNS = 0x00020000
_CLONE_NEWUTS = 0x04000000


def leave_the_shared_machine() -> None:
    """From now on, mounts and the host's name are this process's own. Raises Unavailable where that is not allowed."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(_CLONE_NEWNS | _CLONE_NEWUTS) != 0:
        problem = os.strerror(ctypes.get_errno())
        raise Unavailable(
            f"real slurm: this process may not make namespaces ({problem}). To get it: run as root, in a container "
            "with --cap-add SYS_ADMIN"
        )
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


def add_hosts(names: Iterable[str], folder: Path) -> None:
    """Let each name stand for 127.0.0.1; this machine is called by the first of them."""
    known = list(names)
    socket.sethostname(known[0])
    _replace(Path("/etc/hosts"), f"127.0.0.1 {' '.join(known)}\n{_text(Path('/etc/hosts'))}", folder)


def under_host_name(name: str, argv: Iterable[str | Path]) -> list[str | Path]:
    """The command that runs `argv` on a machine that is called `name`."""
    return ["unshare", "--uts", "/bin/sh", "-c", 'hostname "$0" && exec "$@"', name, *argv]


def add_users(groups_of: Mapping[str, tuple[str, ...]], folder: Path, *, first_id: int = 1001) -> None:
    """Make users known, each with a group of its own name and the groups given; homes are below `folder`.

    A user or group of this machine with the same name is hidden; no id is given that is taken.
    """
    users = _others(Path("/etc/passwd"), groups_of)
    names = dict.fromkeys([*groups_of, *itertools.chain.from_iterable(groups_of.values())])
    groups = _others(Path("/etc/group"), names)
    taken = {line.split(":")[2] for line in [*users, *groups]}
    free = (number for number in itertools.count(first_id) if str(number) not in taken)
    ids = {name: next(free) for name in names}
    for name in groups_of:
        home = folder / "home" / name
        home.mkdir(parents=True)
        os.chown(home, ids[name], ids[name])
        users.append(f"{name}:*:{ids[name]}:{ids[name]}::{home}:/bin/bash")
    for group in names:
        members = ",".join(name for name, its_groups in groups_of.items() if group in its_groups)
        groups.append(f"{group}:x:{ids[group]}:{members}")
    _replace(Path("/etc/passwd"), "\n".join([*users, ""]), folder)
    _replace(Path("/etc/group"), "\n".join([*groups, ""]), folder)


def _others(path: Path, names: Iterable[str]) -> list[str]:
    hidden = set(names)
    return [line for line in _text(path).splitlines() if line.count(":") >= 3 and line.split(":")[0] not in hidden]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="surrogateescape") if path.exists() else ""


def _replace(path: Path, text: str, folder: Path) -> None:
    own = folder / path.name
    own.write_text(text, encoding="utf-8", errors="surrogateescape")
    own.chmod(0o644)
    subprocess.run(["mount", "--bind", own, path], check=True)
