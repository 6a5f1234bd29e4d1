"""A cluster that a test starts, uses and stops."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, Self

from . import client, stepd
from .config import load_config
from .faults import Faults
from .journal import Journal
from .steps import process_start

__all__ = ["MockSlurm", "MockSlurmError"]

_START_SECONDS = 120.0


class MockSlurmError(RuntimeError):
    """The cluster did not do what was asked; the text says what it said itself."""


class _Process(Protocol):
    pid: int

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...


Spawn = Callable[..., _Process]
"""Starts a program: `spawn(argv, env=..., cwd=..., log=Path)` gives something like a `subprocess.Popen`."""


class MockSlurm:
    """A controller process with its folder of commands.

    `state` is its folder (kept; a second start goes on with the jobs of the first), `config` a mapping or a TOML/JSON
    file over the default cluster, `port` a TCP port on 127.0.0.1 for callers that cannot reach the unix socket
    (0 = any free one), `rest_port` one on which it is slurmrestd, `spawn` starts the controller in place of
    `subprocess.Popen`.

    Use it as a context manager, or call `start()` and `stop()`.
    """

    def __init__(
        self,
        state: Path,
        config: Mapping[str, Any] | Path | None = None,
        *,
        port: int | None = None,
        rest_port: int | None = None,
        spawn: Spawn | None = None,
    ) -> None:
        self.state_dir = Path(state)
        self.config = load_config(config)
        self.address: str | None = None
        self.rest_url: str | None = None
        self.faults = Faults(self._order)
        self._given = config
        self._port, self._rest_port = port, rest_port
        self._spawn = spawn or _spawn
        self._process: _Process | None = None
        self._link: Path | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- life ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the controller and wait until it answers; raises `MockSlurmError` with its output if it does not."""
        self.state_dir.mkdir(parents=True, exist_ok=True)
        argv = [sys.executable, "-m", __package__, "serve", "--state", str(self.state_dir)]
        if self._given is not None:
            argv += ["--config", str(self._config_file())]
        if self._port is not None:
            argv += ["--port", str(self._port)]
        if self._rest_port is not None:
            argv += ["--rest-port", str(self._rest_port)]
        log = self.state_dir / "controller.log"
        log.unlink(missing_ok=True)
        self._process = self._spawn(argv, env=dict(os.environ), cwd=self.state_dir, log=log)
        self._await_start(log)

    def _config_file(self) -> Path:
        if isinstance(self._given, Path):
            return self._given.absolute()
        path = self.state_dir / "config.json"
        path.write_text(json.dumps(dict(self._given or {})), encoding="utf-8")
        return path

    def _await_start(self, log: Path) -> None:
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            text = log.read_text(encoding="utf-8") if log.exists() else ""
            ready = next((line for line in text.splitlines(keepends=True) if line.startswith("mock_slurm: /")), "")
            if ready.endswith("\n"):
                words = ready.split()[2:]
                self.address = next((word for word in words if not word.startswith("http:")), None)
                self.rest_url = next((word for word in words if word.startswith("http:")), None)
                return
            if self._process is not None and self._process.poll() is not None:
                break
            time.sleep(0.01)
        self.kill()
        raise MockSlurmError(f"the controller did not start; it said:\n{log.read_text() if log.exists() else ''}")

    def stop(self) -> None:
        """Stop the controller and end every job with all its processes; also after the controller was killed."""
        if self._process is not None and self._process.poll() is None:
            self._order({"do": "stop", "end_jobs": True})
            self._process.wait(timeout=_START_SECONDS)
        self._process = None
        self._end_leftovers()
        if self._link is not None:
            self._link.unlink()
            self._link.parent.rmdir()
            self._link = None

    def shut_down(self) -> None:
        """Stop the controller alone, as a restart of slurmctld does: the jobs run on. `start()` finds them."""
        self._order({"do": "stop", "end_jobs": False})
        if self._process is not None:
            self._process.wait(timeout=_START_SECONDS)
        self._process = None

    def kill(self) -> None:
        """Kill the controller with SIGKILL; the jobs run on."""
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=_START_SECONDS)
        self._process = None

    def freeze(self) -> None:
        """Stop the controller's process itself (SIGSTOP): nobody gets an answer before `thaw()`."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen controller go on; what was asked meanwhile is carried out then."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self._process is None:
            raise MockSlurmError("the controller is not running; start() it first")
        os.kill(self._process.pid, number)

    def _end_leftovers(self) -> None:
        if not (self.state_dir / "journal.jsonl").exists():
            return
        journal = Journal(self.state_dir)
        journal.close()
        for job in journal.jobs.values():
            if job.step_pid is None or process_start(job.step_pid) != job.step_start:
                continue
            for pid in [job.step_pid, *stepd.descendants(job.step_pid)]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue

    # --- use ----------------------------------------------------------------------------------------------------

    @property
    def jwt_key(self) -> Path:
        """The key with which tokens for `rest_url` are signed; there once a `rest_port` was asked for."""
        return self.state_dir / "jwt_key"

    @property
    def bin_dir(self) -> Path:
        """The folder with sbatch, squeue, scancel, sinfo, scontrol, sacct and srun."""
        return self.state_dir / "bin"

    @property
    def socket(self) -> str:
        """The controller's unix socket, by a path short enough for one."""
        path = str((self.state_dir / "socket").absolute())
        if len(path.encode()) < 100:
            return path
        # sun_path holds 108 bytes, and test folders are often longer.
        if self._link is None:
            self._link = Path(tempfile.mkdtemp(prefix="mock_slurm")) / "state"
            self._link.symlink_to(self.state_dir.absolute())
        return str(self._link / "socket")

    @property
    def environ(self) -> dict[str, str]:
        """Variables to merge into a process's environment so that its Slurm commands reach this cluster."""
        return {
            "PATH": f"{self.bin_dir.absolute()}:{os.environ.get('PATH', os.defpath)}",
            "MOCK_SLURM_ADDRESS": self.socket,
            "MOCK_SLURM_MESSAGE_TIMEOUT": str(self.config.message_timeout),
            "MOCK_SLURM_CONNECT_TIMEOUT": str(self.config.connect_timeout),
        }

    @property
    def tcp_environ(self) -> dict[str, str]:
        """The same over TCP, for another network or mount namespace; needs `port`."""
        if self.address is None:
            raise MockSlurmError("there is no TCP address: give MockSlurm a port (0 = any free one) and start it")
        token = (self.state_dir / "token").read_text(encoding="utf-8")
        return {**self.environ, "MOCK_SLURM_ADDRESS": self.address, "MOCK_SLURM_TOKEN": token}

    def run(
        self, *argv: str, user: str | None = None, stdin: str = "", check: bool = False, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a command (by name or path) against this cluster and collect its output."""
        env = {**os.environ, **self.environ, **options.pop("env", {})}
        if user is not None:
            env["MOCK_SLURM_USER"] = user
        program = str(self.bin_dir / argv[0]) if (self.bin_dir / argv[0]).exists() else argv[0]
        return subprocess.run(
            [program, *argv[1:]], input=stdin, env=env, check=check, text=True, capture_output=True, **options
        )

    def sbatch(self, script: str, *args: str, user: str | None = None, **options: Any) -> int:
        """Submit a script (`#!/bin/bash` is put in front where no interpreter is named) and return the job's id."""
        text = script if script.startswith("#!") else f"#!/bin/bash\n{script}\n"
        done = self.run("sbatch", "--parsable", *args, user=user, stdin=text, **options)
        if done.returncode:
            raise MockSlurmError(f"sbatch failed ({done.returncode}): {done.stderr.strip()}")
        return int(done.stdout)

    def job(self, job_id: int) -> dict[str, Any]:
        """Everything the controller knows of a job; raises `MockSlurmError` if it never existed."""
        found: dict[str, Any] | None = self._order({"do": "job", "id": job_id})
        if found is None:
            raise MockSlurmError(f"there is no job {job_id}")
        return found

    def wait_for(self, job_id: int, state: str | tuple[str, ...], timeout: float = 120.0) -> dict[str, Any]:
        """The job as soon as squeue would show it in one of these states; raises `MockSlurmError` after `timeout`."""
        wanted = (state,) if isinstance(state, str) else state
        end = time.monotonic() + timeout
        while True:
            job = self.job(job_id)
            if job["shown_state"] in wanted:
                return job
            if time.monotonic() > end:
                shown = f"{job['shown_state']} ({job['reason']})"
                raise MockSlurmError(f"job {job_id} is {shown}, not {' or '.join(wanted)}, after {timeout} s")
            time.sleep(0.01)

    def calls(self, program: str | None = None) -> list[dict[str, Any]]:
        """The commands answered so far (of one program, or all): time, program, argv, user, code, seconds."""
        path = self.state_dir / "calls.jsonl"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        entries = [json.loads(line) for line in text.splitlines()]
        return [entry for entry in entries if program in {None, entry["program"]}]

    def _order(self, order: dict[str, Any]) -> Any:
        link = client.connect(self.socket, _START_SECONDS)
        try:
            body = client.converse(link, "_admin", [json.dumps(order)])
        finally:
            link.close()
        size = int.from_bytes(body[1:5], "big")
        if body[0]:
            raise MockSlurmError(body[5 + size :].decode().strip())
        return json.loads(body[5 : 5 + size]) if size else None


def _spawn(argv: list[str], *, env: dict[str, str], cwd: Path, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
