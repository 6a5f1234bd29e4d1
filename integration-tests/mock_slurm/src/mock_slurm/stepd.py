"""The watcher of one job, a process of its own as slurmstepd is.

Run as `python -I -S stepd.py FOLDER`. It starts the job's script, adopts everything the script leaves behind, ends
what is left when the script is over, and writes how it went to FOLDER/status.json. It outlives the controller: a
controller that was killed finds the outcome there.
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

_PR_SET_CHILD_SUBREAPER = 36
_LAUNCH_FAILED = 53


def descendants(root: int) -> list[int]:
    """Every process below this one."""
    parents: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                stat = Path("/proc", entry, "stat").read_bytes()
                parents.setdefault(int(stat.rpartition(b")")[2].split()[1]), []).append(int(entry))
    found: list[int] = []
    queue = [root]
    while queue:
        children = parents.get(queue.pop(), [])
        found += children
        queue += children
    return found


def _become(run_as: list[int] | None, user: str) -> None:
    if run_as is None:
        return
    uid, gid = run_as
    os.setgroups(os.getgrouplist(user, gid))
    os.setgid(gid)
    os.setuid(uid)


def _open_files(job: dict[str, Any]) -> tuple[int, int, int]:
    flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if job["append"] else os.O_TRUNC)
    stdin = os.open(job["stdin"], os.O_RDONLY)
    stdout = os.open(job["stdout"], flags, 0o666)
    stderr = os.open(job["stderr"], flags, 0o666) if job["stderr"] != job["stdout"] else os.dup(stdout)
    return stdin, stdout, stderr


def _run_script(job: dict[str, Any], report: int) -> None:
    """In the child: become the user, enter the folder, connect the files, become the script."""
    try:
        os.setsid()
        os.umask(job["umask"])
        _become(job["run_as"], job["user"])
        complaint = ""
        try:
            os.chdir(job["workdir"])
        except OSError as error:
            # The real one goes on in /tmp, and says so in the job's output.
            complaint = f"couldn't chdir to `{job['workdir']}': {error.strerror}: going to /tmp instead"
            os.chdir("/tmp")  # noqa: S108
        for target, source in enumerate(_open_files(job)):
            os.dup2(source, target)
        if complaint:
            os.write(2, f"slurmstepd: error: {complaint}\n".encode())
        for each in (signal.SIGINT, signal.SIGPIPE, signal.SIGUSR1, signal.SIGXFSZ):
            signal.signal(each, signal.SIG_DFL)
        environment = {**job["environment"], "SLURM_TASK_PID": str(os.getpid())}
        os.execve(job["argv"][0], job["argv"], environment)  # noqa: S606
    except OSError as error:
        os.write(report, str(error).encode())
    os._exit(_LAUNCH_FAILED)


def _notice(job: dict[str, Any], folder: Path) -> None:
    """Add the controller's notice to the job's error output."""
    with contextlib.suppress(OSError):
        text = (folder / "notice").read_bytes()
        # As the job's user: the path is the user's, and so must be the right to write there.
        if job["run_as"] is not None:
            os.seteuid(job["run_as"][0])
        try:
            fd = os.open(os.path.join(job["workdir"], job["stderr"]), os.O_WRONLY | os.O_APPEND)
            os.write(fd, text)
            os.close(fd)
        finally:
            if job["run_as"] is not None:
                os.seteuid(0)


def _reap(script: int) -> tuple[int, int]:
    """Wait for the script, then end and reap everything it left; its exit code and signal."""
    code = number = 0
    while True:
        pid, status = os.wait()
        if pid == script:
            break
    code, number = (0, os.WTERMSIG(status)) if os.WIFSIGNALED(status) else (os.WEXITSTATUS(status), 0)
    while True:
        for orphan in descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(orphan, signal.SIGKILL)
        try:
            os.wait()
        except ChildProcessError:
            return code, number


def _write(folder: Path, name: str, text: str) -> None:
    fresh = folder / f"{name}.new"
    fresh.write_text(text)
    fresh.replace(folder / name)


def main(folder: Path) -> None:
    """Run the job described in this folder."""
    job = json.loads((folder / "job.json").read_text())
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, lambda *_: _notice(job, folder))
    reader, writer = os.pipe()
    script = os.fork()
    if script == 0:
        os.close(reader)
        for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(each, signal.SIG_DFL)
        _run_script(job, writer)
    os.close(writer)
    # Reads nothing when the script was executed: the pipe's other end closed with it.
    failure = os.read(reader, 4096).decode()
    _write(folder, "started", str(script))
    code, number = _reap(script)
    status = {
        "exit_code": code,
        "signal": number,
        "launch_error": failure,
        "max_rss": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss,
    }
    _write(folder, "status.json", json.dumps(status))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
