"""Finding and ending every process below this one. Standard library only: the guard runs it under ``-I -S``.

A process that calls `adopt_orphans` first keeps whatever it started in its tree: a daemon that
leaves its session and loses its parent is handed to the nearest such ancestor by the kernel,
so a walk from parent to child finds it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_DEAD = frozenset({"Z", "X", "x"})


def adopt_orphans() -> bool:
    """Make this process the new parent of descendants that lose theirs. False where the system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    return bool(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def _table() -> dict[int, tuple[int, str]]:
    """Every process of this machine: its parent's id and its state letter."""
    found: dict[int, tuple[int, str]] = {}
    for entry in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if entry.isdigit():
            # A process may end between the listing and the read.
            with contextlib.suppress(OSError):
                # The command name may hold blanks and parentheses; the fields after its last ')' are plain.
                fields = Path("/proc", entry, "stat").read_bytes().rpartition(b")")[2].split()
                found[int(entry)] = (int(fields[1]), fields[0].decode())
    return found


def living_descendants(root: int) -> list[int]:
    """Ids of all processes below `root` that still run, parents before children."""
    table = _table()
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in table.items():
        children.setdefault(parent, []).append(pid)
    order = [root]
    for pid in order:
        order.extend(children.get(pid, ()))
    return [pid for pid in order[1:] if table[pid][1] not in _DEAD]


def send(pids: list[int], number: int) -> None:
    """Signal each process; one that has ended already is no error."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _freeze(root: int) -> list[int]:
    """Stop every descendant, so that none can start another one, and return them."""
    frozen: set[int] = set()
    while fresh := [pid for pid in living_descendants(root) if pid not in frozen]:
        send(fresh, signal.SIGSTOP)
        frozen.update(fresh)
    return list(frozen)


def reap() -> list[tuple[int, int]]:
    """Collect ended children: pairs of process id and exit code (negative: the signal)."""
    ended: list[tuple[int, int]] = []
    with contextlib.suppress(ChildProcessError):
        while (answer := os.waitpid(-1, os.WNOHANG))[0]:
            ended.append((answer[0], os.waitstatus_to_exitcode(answer[1])))
    return ended


def kill_tree(pid: int) -> None:
    """SIGKILL a process and everything below it. Its parent does the reaping."""
    send([pid], signal.SIGSTOP)
    send([*_freeze(pid), pid], signal.SIGKILL)


def kill_all(*, timeout: float = 20.0) -> list[tuple[int, int]]:
    """SIGKILL everything below this process until nothing is left; returns what was reaped.

    Freezing first and looking again after each round catches what forks while it is being killed.
    `timeout` (seconds) bounds the wait for a process the kernel cannot end at once.
    """
    ended, deadline = reap(), time.monotonic() + timeout
    while (victims := _freeze(os.getpid())) and time.monotonic() < deadline:
        send(victims, signal.SIGKILL)
        _wait_for_a_child(0.02)
        ended += reap()
    return ended + reap()


def _wait_for_a_child(seconds: float) -> None:
    """Return as soon as a child changes state, or after `seconds`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    if hasattr(signal, "sigtimedwait"):
        signal.sigtimedwait({signal.SIGCHLD}, seconds)
    else:  # macOS lacks it
        time.sleep(seconds)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
