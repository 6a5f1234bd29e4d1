"""Job processes: starting their watchers, signalling them, noticing their end, finding them again."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import stepd

__all__ = ["Outcome", "Steps", "process_start"]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a job's script ended. `lost` means its watcher vanished without saying so, as with a dead node."""

    exit_code: int = 0
    signal: int = 0
    launch_error: str = ""
    max_rss: int = 0
    lost: bool = False


def process_start(pid: int) -> int | None:
    """The kernel's start time of a process, which with its id names it for ever; None when it is gone."""
    try:
        stat = Path("/proc", str(pid), "stat").read_bytes()
    except OSError:
        return None
    fields = stat.rpartition(b")")[2].split()
    return None if fields[0] in {b"Z", b"X"} else int(fields[19])


class Steps:
    """The job processes of one cluster, each in its own folder below `spool`."""

    def __init__(self, spool: Path, ended: Callable[[int, Outcome], None]) -> None:
        self._spool = spool
        self._ended = ended
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._watched: dict[int, int] = {}
        spool.mkdir(parents=True, exist_ok=True)

    def folder(self, job_id: int) -> Path:
        """Where this job's script, description and outcome lie."""
        return self._spool / f"job{job_id:05}"

    def launch(self, job_id: int, script: bytes, job: dict[str, Any]) -> tuple[int, int]:
        """Start a job; the id and the start time of its watcher."""
        folder = self.folder(job_id)
        folder.mkdir(exist_ok=True)
        # The job's user reads the script; the environment beside it holds that user's secrets.
        for parent in (folder, self._spool):
            parent.chmod(0o711)
        for name in ("status.json", "started", "notice"):
            (folder / name).unlink(missing_ok=True)
        path = folder / "slurm_script"
        _write(path, script, 0o700)
        if job["run_as"] is not None:
            os.chown(path, *job["run_as"])
        _write(folder / "job.json", json.dumps({**job, "argv": [str(path), *job["argv"]]}).encode(), 0o600)
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", stepd.__file__, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
        self._children[job_id] = child
        self._watch(job_id, child.pid)
        return child.pid, process_start(child.pid) or 0

    def adopt(self, job_id: int, pid: int | None, start: int | None) -> None:
        """Go on watching a job that an earlier controller started, or report how it ended meanwhile."""
        if pid is not None and start is not None and process_start(pid) == start:
            self._watch(job_id, pid)
        else:
            self._ended(job_id, self._outcome(job_id))

    def _watch(self, job_id: int, pid: int) -> None:
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            asyncio.get_running_loop().call_soon(self._gone, job_id)
            return
        self._watched[job_id] = fd
        asyncio.get_running_loop().add_reader(fd, self._gone, job_id)

    def _gone(self, job_id: int) -> None:
        fd = self._watched.pop(job_id, None)
        if fd is not None:
            asyncio.get_running_loop().remove_reader(fd)
            os.close(fd)
        child = self._children.pop(job_id, None)
        if child is not None:
            child.wait()
        self._ended(job_id, self._outcome(job_id))

    def _outcome(self, job_id: int) -> Outcome:
        try:
            status = json.loads((self.folder(job_id) / "status.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return Outcome(lost=True)
        return Outcome(**status)

    def signal(self, job_id: int, pid: int, number: int, *, script_only: bool = False) -> None:
        """Send a signal to every process of a job, or to its script alone; never to its watcher."""
        if not self._started(job_id, lambda: self.signal(job_id, pid, number, script_only=script_only)):
            return
        script = int((self.folder(job_id) / "started").read_text(encoding="utf-8"))
        processes = stepd.descendants(pid)
        for process in [script] if script_only and script in processes else processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    def notice(self, job_id: int, pid: int, text: str) -> None:
        """Have the watcher add a line to the job's error output."""
        if not self._started(job_id, lambda: self.notice(job_id, pid, text)):
            return
        _write(self.folder(job_id) / "notice", text.encode(), 0o600)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGUSR1)

    def _started(self, job_id: int, again: Callable[[], None]) -> bool:
        # A watcher that is still starting has no script to signal yet, and would start it all the same afterwards.
        if job_id not in self._watched:
            return False
        if (self.folder(job_id) / "started").exists():
            return True
        asyncio.get_running_loop().call_later(0.01, again)
        return False

    def destroy(self, pid: int) -> None:
        """End a job with its watcher, as the death of a node does."""
        processes = stepd.descendants(pid)
        for process in [pid, *processes]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def _write(path: Path, data: bytes, mode: int) -> None:
    path.unlink(missing_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        os.fchmod(file.fileno(), mode)
