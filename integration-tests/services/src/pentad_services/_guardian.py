"""The two processes of a guard; run as a program by `pentad_services.guard`.

The *watcher* is started by the owner and starts the *keeper*; the keeper is the parent of
everything that is guarded. Both adopt orphans. Whoever of the three dies, one that lives on
ends the rest:

- owner dies: the keeper stops its processes as each asked for and kills what is left;
- keeper dies: the watcher inherits its processes and ends them;
- watcher dies: the keeper does as if the owner had died.

Standard library only: it starts in some tens of milliseconds.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The package without its __init__, which would import what starts services and needs installed libraries.
_package = types.ModuleType("pentad_services")
_package.__path__ = [str(Path(__file__).parent)]
sys.modules[_package.__name__] = _package

from pentad_services._descendants import adopt_orphans, kill_all, kill_tree, living_descendants, reap, send  # noqa: E402
from pentad_services._mark import bear_mark  # noqa: E402
from pentad_services._wire import receive_message, send_message  # noqa: E402

_KEEPER_LIMIT = 90.0  # seconds the watcher lets the keeper stop its processes in their own way
_ORPHAN_GRACE = 1.0  # seconds that processes get after SIGTERM once their keeper has died
_POLL = 0.2  # seconds between looks at process ids, where the system has no descriptors for processes


class _Watch:
    """Tells when one of some processes has ended."""

    def __init__(self) -> None:
        self._by_pid: dict[int, int | None] = {}

    def add(self, pid: int) -> None:
        opener = getattr(os, "pidfd_open", None)
        try:
            self._by_pid[pid] = opener(pid) if opener else None
        except ProcessLookupError:
            self._by_pid[pid] = -1
        except OSError:  # a kernel or sandbox without the call
            self._by_pid[pid] = None

    def files(self) -> list[int]:
        return [number for number in self._by_pid.values() if number is not None and number >= 0]

    def ended(self) -> set[int]:
        ready = set(select.select(self.files(), [], [], 0)[0])
        return {pid for pid, file in self._by_pid.items() if self._is_over(pid, file, ready)}

    def _is_over(self, pid: int, file: int | None, ready: set[int]) -> bool:
        if file is not None:
            return file < 0 or file in ready
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False


def _children_signals() -> int:
    """A descriptor that becomes readable when a child ends; SIGTERM counts as a request to finish."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    # Handlers, not SIG_IGN: an ignored signal would stay ignored in every program started from here.
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    return reading


def _drain(descriptor: int) -> bytes:
    data = b""
    with contextlib.suppress(BlockingIOError):
        while piece := os.read(descriptor, 512):
            data += piece
    return data


@dataclass
class _Kept:
    process: subprocess.Popen[bytes]
    stop_signal: int
    grace: float
    leavings: list[str]


class Keeper:
    """Starts, stops and reaps what the owner asks for; ends everything when owner or watcher ends."""

    def __init__(self, channel: socket.socket, owner: int, watcher: int) -> None:
        self._channel, self._watcher = channel, watcher
        self._kept: dict[int, _Kept] = {}
        self._watch = _Watch()
        self._watch.add(owner)
        self._watch.add(watcher)
        self._signals = _children_signals()

    def run(self) -> None:
        while not self._watch.ended() and os.getppid() == self._watcher:
            files: list[Any] = [self._channel, self._signals, *self._watch.files()]
            ready = select.select(files, [], [], _POLL * 5)[0]
            if self._signals in ready and signal.SIGTERM in _drain(self._signals):
                break
            self._report(reap())
            if self._channel in ready and not self._serve():
                break
        self._finish()

    def _serve(self) -> bool:
        received = receive_message(self._channel)
        if received is None:
            return False
        message, files = received
        try:
            return self._obey(message, files)
        finally:
            for number in files:
                os.close(number)

    def _obey(self, message: dict[str, Any], files: list[int]) -> bool:
        if message["do"] == "spawn":
            self._answer(self._spawn(message, files))
        elif message["do"] == "signal" and message["pid"] in self._kept:
            send([message["pid"]], message["signal"])
        elif message["do"] == "kill-tree" and message["pid"] in self._kept:
            kill_tree(message["pid"])
        return bool(message["do"] != "close")

    def _spawn(self, message: dict[str, Any], files: list[int]) -> dict[str, Any]:
        try:
            process = subprocess.Popen(
                message["argv"], env=message["env"], cwd=message["cwd"], stdin=files[0], stdout=files[1],
                stderr=files[2], start_new_session=True, **message["identity"],
            )  # fmt: skip
        except (OSError, ValueError, subprocess.SubprocessError) as problem:
            number = getattr(problem, "errno", None)
            return {"failed": str(problem), "errno": number, "ticket": message["ticket"]}
        self._kept[process.pid] = _Kept(process, message["stop_signal"], message["grace"], message["leavings"])
        return {"spawned": process.pid, "ticket": message["ticket"]}

    def _report(self, ended: list[tuple[int, int]]) -> None:
        for pid, code in ended:
            kept = self._kept.pop(pid, None)
            if kept:
                kept.process.returncode = code  # tells Popen that this child needs no wait of its own
                for path in kept.leavings:
                    Path(path).unlink(missing_ok=True)
                self._answer({"ended": pid, "code": code})

    def _answer(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # the owner may be dead; that is noticed by the watch
            send_message(self._channel, message)

    def _finish(self) -> None:
        """Stop each process in its own way, latest first, then kill whatever is left of the tree."""
        started = time.monotonic()
        for pid, kept in reversed(list(self._kept.items())):
            send([pid], kept.stop_signal if kept.grace else signal.SIGKILL)
        while waiting := [k for k in self._kept.values() if time.monotonic() < started + k.grace]:
            select.select([self._signals], [], [], min(0.5, max(k.grace for k in waiting)))
            _drain(self._signals)
            self._report(reap())
        self._report(kill_all())


class Watcher:
    """Waits for the keeper's end, and sees that nothing is left after it."""

    def __init__(self, owner: int, keeper: int, parent: int) -> None:
        self._owner, self._keeper, self._parent = owner, keeper, parent
        self._watch = _Watch()
        self._keeper_watch = _Watch()
        self._signals = _children_signals()

    def run(self) -> None:
        self._keeper_watch.add(self._keeper)
        self._watch.add(self._owner)
        if self._parent:
            self._watch.add(self._parent)
        while os.getppid() == self._owner and not self._watch.ended() and not self._keeper_watch.ended():
            files = [*self._watch.files(), *self._keeper_watch.files(), self._signals]
            select.select(files, [], [], _POLL if self._parent and not self._watch.files() else _POLL * 5)
            if signal.SIGTERM in _drain(self._signals):
                send([self._keeper], signal.SIGTERM)
                break
            reap()
        if self._parent and self._parent in self._watch.ended():
            self._end_owner()
        self._wait_for_keeper()
        self._end_orphans()

    def _end_owner(self) -> None:
        """The owner's parent has died: the owner gets 5 seconds to leave, then is killed."""
        if os.getppid() == self._owner:
            watch = _Watch()
            watch.add(self._owner)
            send([self._owner], signal.SIGTERM)
            select.select(watch.files(), [], [], 5.0)
            if os.getppid() == self._owner:
                send([self._owner], signal.SIGKILL)

    def _wait_for_keeper(self) -> None:
        deadline = time.monotonic() + _KEEPER_LIMIT
        while not self._keeper_watch.ended() and time.monotonic() < deadline:
            select.select([*self._keeper_watch.files(), self._signals], [], [], _POLL)
            _drain(self._signals)
            reap()

    def _end_orphans(self) -> None:
        reap()
        left = living_descendants(os.getpid())
        send(left, signal.SIGTERM)
        deadline = time.monotonic() + _ORPHAN_GRACE
        while left and living_descendants(os.getpid()) and time.monotonic() < deadline:
            select.select([self._signals], [], [], 0.1)
            _drain(self._signals)
            reap()
        kill_all()


def _remove(folder: str) -> None:
    """Delete the guard's folder; a file that a dying process still writes gets a second look."""
    for _ in range(3):
        shutil.rmtree(folder, ignore_errors=True)
        if not Path(folder).exists():
            return


def main(arguments: list[str]) -> None:
    """``_guardian.py OWNER-PID CHANNEL-DESCRIPTOR MARK PARENT-PID-TO-WATCH FOLDER``."""
    # What a script starts in its background ignores this signal, and a shell cannot trap what was ignored before it.
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    folder = arguments.pop()
    owner, channel, mark, parent = map(int, arguments)
    adopt_orphans()
    bear_mark(mark)
    watcher = os.getpid()
    keeper = os.fork()
    if keeper == 0:
        adopt_orphans()
        Keeper(socket.socket(fileno=channel), owner, watcher).run()
        _remove(folder)
        os._exit(0)
    os.close(channel)
    Watcher(owner, keeper, parent).run()
    _remove(folder)


if __name__ == "__main__":
    main(sys.argv[1:])
