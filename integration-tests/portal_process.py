"""The portal's demo as a process, for tests: started under a mark by which everything it starts is found."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = (
    "DEMO",
    "ENDS",
    "Visit",
    "assert_none_left",
    "environment_of",
    "marked_processes",
    "play",
    "portal",
    "read_until",
)

DEMO = Path(__file__).resolve().parents[1] / "examples" / "portal" / "demo.py"
MARKER = "PENTAD_PORTAL_TEST"
ENDS = 300  # seconds in which a portal that is told to stop has to; what takes time is their machine, not waiting


@dataclass(frozen=True)
class Visit:
    """A `demo.py --check` that ended with 0: what it printed, its mark, and the folders of its data and home."""

    output: str
    mark: str
    data: Path
    home: Path


def play(mark: str, data: Path, home: Path) -> Visit:
    """Play the scripted visit to its end."""
    with portal("--check", "--data", str(data), mark=mark, HOME=str(home)) as process:
        output, _ = process.communicate(timeout=2400)
    if process.returncode:
        raise AssertionError(output)
    return Visit(output, mark, data, home)


@contextmanager
def portal(*arguments: str, mark: str, **environment: str) -> Iterator[subprocess.Popen]:
    """A running demo whose processes all carry `mark` in their environment."""
    process = subprocess.Popen(
        [sys.executable, str(DEMO), *arguments],
        env=os.environ | environment | {MARKER: mark},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(ENDS)
        if process.stdout:
            process.stdout.close()


def read_until(process: subprocess.Popen, found: Callable[[str], bool]) -> list[str]:
    """The demo's lines up to the first one that fits."""
    lines = []
    for line in process.stdout or ():
        lines.append(line)
        if found(line):
            return lines
    raise AssertionError("the demo ended early:\n" + "".join(lines))


def marked_processes(mark: str) -> dict[int, str]:
    """The command line of every process of this machine that was started under this mark, by its id."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if environment_of(int(folder.name)).get(MARKER) == mark:
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def environment_of(pid: int) -> dict[str, str]:
    """The variables that a process was started with."""
    entries = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def assert_none_left(mark: str, seconds: float = ENDS) -> None:
    """Wait until no process of this mark is left."""
    deadline = time.monotonic() + seconds
    while left := marked_processes(mark):
        if time.monotonic() > deadline:
            raise AssertionError(f"still running: {left}")
        time.sleep(0.1)
