"""A mark that a process cannot lose by leaving its session, its parent, or its environment.

Resource limits are inherited by fork and by exec. A limit on realtime CPU time that is enormous, and different for
each guard, limits nothing, but ``/proc/PID/limits`` shows it for every process below the guard.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
from pathlib import Path

from pentad_services._descendants import send

_BASE = 1 << 62  # microseconds: about 146,000 years


def mark_number(name: str) -> int:
    """The limit that stands for the guard of this name (hexadecimal)."""
    return _BASE + int(name[:12], 16)


def bear_mark(number: int) -> None:
    """Set the mark on this process and what it will start. A system with a lower limit stays unmarked."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_RTTIME, (number, number))


def marked(number: int) -> set[int]:
    """Running processes that bear the mark."""
    wanted, found = str(number).encode(), set()
    for limits in Path("/proc").glob("[0-9]*/limits"):
        with contextlib.suppress(OSError):
            text = limits.read_bytes()  # empty for a process that has ended and waits to be reaped
            if wanted in text and b"\nState:\tZ" not in limits.with_name("status").read_bytes():
                found.add(int(limits.parent.name))
    return found


def kill_marked(number: int) -> None:
    """Freeze, then SIGKILL, all that bear the mark, until none runs. Never the calling process."""
    while victims := marked(number) - {os.getpid()}:
        frozen: set[int] = set()
        while fresh := victims - frozen:
            send(list(fresh), signal.SIGSTOP)
            frozen |= fresh
            victims = marked(number) - {os.getpid()}
        send(list(frozen), signal.SIGKILL)
