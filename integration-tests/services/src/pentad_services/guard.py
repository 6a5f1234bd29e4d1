"""Processes that end when their owner ends, however it ends.

``with ProcessGuard() as guard: guard.spawn(["redis-server", ...])`` starts two small helper
processes. Everything started through the guard, and everything that these processes start,
daemons included, is ended when the ``with`` block is left, when the owner exits, and also when the
owner or either helper is killed with SIGKILL. See ``_guardian.py`` for who watches whom.

On Linux nothing escapes. Elsewhere it is best effort: processes are still stopped with the
owner, but a daemon that left its parent is not found again.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from pentad_services._mark import kill_marked, mark_number
from pentad_services._temporary import make_folder
from pentad_services._wire import receive_message, send_message

__all__ = ["MARKER", "GuardedProcess", "ProcessGuard"]

MARKER = "PENTAD_GUARD"
"""Environment variable that every guarded process is started with; its value names the guard."""

_LOST = -signal.SIGKILL  # the exit code told for a process whose guard was killed


class GuardedProcess:
    """A process that belongs to a guard. Its methods are those of `subprocess.Popen`."""

    def __init__(self, guard: ProcessGuard, order: dict[str, Any], log: Path | None) -> None:
        self.args: list[str] = list(order["argv"])
        self.log = log
        self.pid = 0
        self.returncode: int | None = None
        self.stdout: IO[bytes] | None = None
        self._guard = guard
        self._order = order
        self._over = threading.Event()

    def __repr__(self) -> str:
        return f"<GuardedProcess {self.args[0]} pid={self.pid} returncode={self.returncode}>"

    def poll(self) -> int | None:
        """The exit code (negative: the signal that ended it), or None while it runs."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end. Raises `subprocess.TimeoutExpired` after `timeout` seconds."""
        if not self._over.wait(timeout) or self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.returncode is None:
            self._guard._tell({"do": "signal", "pid": self.pid, "signal": int(number)})  # noqa: SLF001

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL the process and all its descendants."""
        if self.returncode is None:
            self._guard._tell({"do": "kill-tree", "pid": self.pid})  # noqa: SLF001

    def stop(self, stop_signal: int = signal.SIGTERM, grace: float = 5.0) -> int:
        """Send `stop_signal`, wait up to `grace` seconds, then kill the process tree. Returns the exit code."""
        if grace > 0:
            self.send_signal(stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self.wait(grace)
        self.kill()
        return self.wait(120)

    def start_again(self) -> None:
        """Start the same program again after its end: same arguments, environment and log, no input, no pipe.

        Raises RuntimeError while it runs, and like `ProcessGuard.spawn`.
        """
        if self.returncode is None:
            raise RuntimeError(f"{self.args[0]} has not ended: stop it first")
        self.returncode, self.stdout = None, None
        self._over = threading.Event()
        self._guard._begin(self)  # noqa: SLF001

    def tail(self, lines: int = 15) -> str:
        """The last lines of the log file, for error messages."""
        if self.log is None or not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _end(self, code: int) -> None:
        self.returncode = code
        self._over.set()


class ProcessGuard:
    """Owns processes and their temporary data, and ends them with itself.

    Parameters:
        end_with_parent: also end the calling process (SIGTERM, 5 seconds later SIGKILL) when its
            own parent dies, so that killing ``nox`` ends pytest and with it the services.
        base: where the guard's temporary folder is made; `fast_folder` by default.

    A guard is safe to use from several threads. A fork of the owner may not use it: there, it does nothing.
    """

    def __init__(self, *, end_with_parent: bool = False, base: Path | None = None) -> None:
        self.name = secrets.token_hex(8)
        self.folder, lock = make_folder(base)
        """Temporary folder, deleted when the guard ends, also after kill -9."""
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._live: dict[int, GuardedProcess] = {}
        self._pending: dict[int, tuple[GuardedProcess, threading.Event, dict[str, Any]]] = {}
        self._ticket = 0
        self._closing = False
        self._channel, far = socket.socketpair()
        self._watcher = self._start_watcher(far, lock, os.getppid() if end_with_parent else 0)
        self._reader = threading.Thread(target=self._read, name="process-guard", daemon=True)
        self._reader.start()
        atexit.register(self.close)

    def _start_watcher(self, far: socket.socket, lock: int, parent: int) -> subprocess.Popen[bytes]:
        program = str(Path(__file__).with_name("_guardian.py"))
        facts = (os.getpid(), far.fileno(), mark_number(self.name), parent, self.folder)
        with far, os.fdopen(lock):
            return subprocess.Popen(
                [sys.executable, "-I", "-S", program, *map(str, facts)], pass_fds=[far.fileno(), lock],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True, cwd="/",
                env={**os.environ, MARKER: self.name},
            )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        """Whether processes can be started: not closed, and neither helper has died."""
        return not self._closing and self._reader.is_alive()

    def spawn(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | str | None = None,
        log: Path | None = None,
        stdin: int | IO[Any] | None = None,
        stdout: int | IO[Any] | None = None,
        stop_signal: int = signal.SIGTERM,
        grace: float = 5.0,
        user: str | int | None = None,
        group: str | int | None = None,
        leavings: Sequence[Path] = (),
    ) -> GuardedProcess:
        """Start a program in a session of its own.

        Parameters:
            env: the whole environment (this process's by default); the guard's marker is added.
            log: file that standard output and error are appended to; without it they are discarded.
            stdin, stdout: a file or descriptor; `stdout` may be `subprocess.PIPE`.
            stop_signal, grace: how the guard ends it: the signal, seconds until SIGKILL (0: at once).
            user, group: run as another user (root only).
            leavings: files outside `folder` that the program leaves behind: deleted when it has ended.

        Raises OSError when the program cannot be started, RuntimeError when the guard has ended.
        """
        order = {
            "do": "spawn", "argv": [os.fspath(part) for part in argv],
            "env": {**(os.environ if env is None else env), MARKER: self.name},
            "cwd": os.fspath(cwd or Path.cwd()), "stop_signal": int(stop_signal), "grace": grace,
            "leavings": [str(path) for path in leavings],
            "identity": {} if user is None else {"user": user, "group": group, "extra_groups": []},
        }  # fmt: skip
        process = GuardedProcess(self, order, log)
        self._begin(process, stdin, stdout)
        return process

    def _begin(
        self, process: GuardedProcess, stdin: int | IO[Any] | None = None, stdout: int | IO[Any] | None = None
    ) -> None:
        with contextlib.ExitStack() as opened:
            files = self._files(process, opened, stdin, stdout, process.log)
            answer = self._ask(process._order, files, process)  # noqa: SLF001
        if "failed" in answer:
            raise OSError(answer["errno"] or errno.EINVAL, answer["failed"])

    def _files(
        self, process: GuardedProcess, opened: contextlib.ExitStack, stdin: Any, stdout: Any, log: Path | None
    ) -> tuple[int, int, int]:
        empty: IO[bytes] = opened.enter_context(Path(os.devnull).open("r+b"))  # noqa: SIM115 - enter_context closes it
        errors: IO[bytes] = empty if log is None else opened.enter_context(log.open("ab"))
        output: Any = errors if stdout is None else stdout
        if stdout == subprocess.PIPE:
            reading, writing = os.pipe()
            process.stdout = os.fdopen(reading, "rb")
            output = opened.enter_context(os.fdopen(writing, "wb"))
        return tuple(part if isinstance(part, int) else part.fileno() for part in (stdin or empty, output, errors))  # type: ignore[return-value]

    def _ask(self, order: dict[str, Any], files: tuple[int, ...], process: GuardedProcess) -> dict[str, Any]:
        answered = threading.Event()
        answer: dict[str, Any] = {}
        with self._lock:
            self._ticket += 1
            ticket = self._ticket
            self._pending[ticket] = (process, answered, answer)
            self._send({**order, "ticket": ticket}, files)
        while not answered.wait(1.0):
            if not self._reader.is_alive():
                raise RuntimeError(f"the process guard ended before it started {process.args[0]}")
        return answer

    def _tell(self, order: dict[str, Any]) -> None:
        with self._lock, contextlib.suppress(RuntimeError):  # a guard that has ended has ended its processes
            self._send(order)

    def _send(self, order: dict[str, Any], files: tuple[int, ...] = ()) -> None:
        if os.getpid() != self._owner:
            raise RuntimeError("a process guard cannot be used in a fork of the process that made it")
        try:
            send_message(self._channel, order, files)
        except OSError as problem:
            raise RuntimeError("the process guard has ended (closed, or its helper processes were killed)") from problem

    def _read(self) -> None:
        while (received := receive_message(self._channel)) is not None:
            self._take(received[0])
        self._lose_all()

    def _take(self, message: dict[str, Any]) -> None:
        if "ended" in message:
            process = self._live.pop(message["ended"], None)
            if process:
                process._end(message["code"])  # noqa: SLF001
            return
        process, answered, answer = self._pending.pop(message["ticket"])
        if "spawned" in message:
            process.pid = message["spawned"]
            self._live[process.pid] = process
        answer.update(message)
        answered.set()

    def _lose_all(self) -> None:
        """The keeper is gone. If it was killed together with the watcher, what they left is ended here."""
        if not self._closing:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._watcher.wait(30)
            kill_marked(mark_number(self.name))
            shutil.rmtree(self.folder, ignore_errors=True)
        for process in list(self._live.values()):
            process._end(_LOST)  # noqa: SLF001
        self._live.clear()
        for _, answered, answer in list(self._pending.values()):
            answer.update({"failed": "the process guard ended", "errno": errno.EPIPE})
            answered.set()

    def close(self) -> None:
        """Stop everything and wait until it has ended. Safe to call twice."""
        if os.getpid() != self._owner or self._closing:
            return
        self._closing = True
        self._tell({"do": "close"})
        self._watcher.wait()
        self._reader.join()
        self._channel.close()
        atexit.unregister(self.close)
