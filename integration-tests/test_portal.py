"""The reference portal as a whole: its scripted visit, its end, and its end by force."""

import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

DEMO = Path(__file__).resolve().parents[1] / "examples" / "portal" / "demo.py"
MARKER = "PENTAD_PORTAL_TEST"
STEPS = 19

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds processes through /proc")


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
        process.wait(30)
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
    """Every process of this machine that was started under this mark, by its id."""
    wanted = f"{MARKER}={mark}".encode()
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def assert_none_left(mark: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while left := marked_processes(mark):
        assert time.monotonic() < deadline, f"still running: {left}"
        time.sleep(0.1)


def test_the_scripted_visit_holds_in_every_step_and_leaves_nothing_behind(tmp_path):
    """`demo.py --check` prints an ok line for each step and exits 0; no process is left, no file in the home."""
    mark = f"check-{os.getpid()}"
    with portal("--check", mark=mark, HOME=str(tmp_path)) as process:
        output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    assert len(re.findall(r"^ok      ", output, re.MULTILINE)) == STEPS, output
    assert "FAILED" not in output
    assert_none_left(mark)
    assert list(tmp_path.iterdir()) == []


def test_a_second_start_with_the_same_data_finds_it_and_plays_the_visit_again(tmp_path):
    """With --data, the second visit passes on the data of the first, where the rollout is over, closed to others."""
    for run in (1, 2):
        mark = f"data-{os.getpid()}-{run}"
        with portal("--check", "--data", str(tmp_path), mark=mark) as process:
            output, _ = process.communicate(timeout=600)
        assert process.returncode == 0, output
        assert_none_left(mark)
    assert "nothing left to apply" in output
    assert {folder.name: folder.stat().st_mode & 0o777 for folder in tmp_path.iterdir()} == {
        "portal": 0o700,
        "services": 0o700,
    }


def listening_ports(mark: str) -> list[int]:
    """The TCP ports that the processes of this mark listen on."""
    inodes = set()
    for pid in marked_processes(mark):
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            with suppress(FileNotFoundError):
                inodes.add(os.readlink(link).removeprefix("socket:[").removesuffix("]"))
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sorted(int(row[1].partition(":")[2], 16) for row in rows if row[3] == "0A" and row[9] in inodes)


def answer(port: int, said: bytes) -> bytes:
    """What is answered to these bytes until the other side closes or falls silent."""
    got = b""
    with socket.create_connection(("127.0.0.1", port), timeout=1) as connection, suppress(OSError):
        connection.sendall(said)
        while chunk := connection.recv(65536):
            got += chunk
    return got


def test_a_stranger_gets_no_data_from_any_port_of_the_demo(tmp_path):
    """Of sessions, private files and tables nothing is told to a local user who knows all ports and no password."""
    mark = f"stranger-{os.getpid()}"
    with portal("--data", str(tmp_path), mark=mark) as process:
        read_until(process, lambda line: "Ctrl-C stops everything" in line)
        kept = tmp_path / "portal" / "secrets"
        redis, postgres = (urlsplit((kept / name).read_text()).port for name in ("redis_url", "database_url"))
        ports = sorted({*listening_ports(mark), redis})  # Valkey writes its title over the mark in its environment
        told = [answer(port, b"KEYS *\r\n") for port in ports]
        paths = (
            "/buckets/tern-point-private/",
            "/tern-point-private?list-type=2",
            "/dir/assign",
            "/tern-point-private/",
        )
        told += [answer(port, f"GET {path} HTTP/1.0\r\n\r\n".encode()) for port in ports for path in paths]
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(f"postgresql://postgres@127.0.0.1:{postgres}/tern-point")
    together = b"".join(told)
    assert len(ports) >= 15  # Redis, PostgreSQL, eight of SeaweedFS, front door, catalogue, three of the hub
    assert b"-NOAUTH" in together
    assert b"AccessDenied" in together
    for secret in (b"portal.session.", b"penguins.csv", b"<Contents>", b'"fid"'):
        assert secret not in together
    assert_none_left(mark)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_portal_within_seconds_with_exit_code_0(number):
    """Ctrl-C and SIGTERM stop a running portal: exit code 0, no traceback, no process left."""
    mark = f"signal-{os.getpid()}-{number}"
    with portal(mark=mark) as process:
        read_until(process, lambda line: "Ctrl-C stops everything" in line)
        process.send_signal(number)
        began = time.monotonic()
        output, _ = process.communicate(timeout=60)
        assert time.monotonic() - began < 20
    assert process.returncode == 0, output
    assert "Traceback" not in output
    assert_none_left(mark)


@pytest.mark.parametrize("attempt", range(4))
def test_killing_the_launcher_at_any_moment_leaves_no_process(attempt):
    """kill -9 at a random moment of the start or of the visit ends every process of the portal."""
    mark = f"kill-{os.getpid()}-{attempt}"
    moment = random.uniform(0.2, 25)
    with portal("--check", mark=mark) as process:
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            process.kill()
        process.wait(30)
        assert_none_left(mark)


@pytest.mark.parametrize("moment", ["redis:", "s3:", "front door:"])
def test_ctrl_c_during_the_start_stops_it_within_seconds_with_exit_code_0(moment):
    """A portal that is still starting stops as quickly as one that is up."""
    mark = f"early-{os.getpid()}-{moment}"
    with portal(mark=mark) as process:
        read_until(process, lambda line: moment in line)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        output, _ = process.communicate(timeout=60)
        assert time.monotonic() - began < 20
    assert process.returncode == 0, output
    assert "Traceback" not in output
    assert_none_left(mark)


def test_a_part_that_ends_by_itself_ends_the_demo_with_its_name_and_exit_code_1():
    """When a process of the portal dies, the demo says which one, stops the others and exits 1."""
    mark = f"part-{os.getpid()}"
    with portal(mark=mark) as process:
        lines = read_until(process, lambda line: "Ctrl-C stops everything" in line)
        pid = next(int(found[1]) for line in lines if (found := re.search(r"^follower .*?(\d+)\s*$", line)))
        os.kill(pid, signal.SIGKILL)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 1, output
    assert "the follower ended with status -9" in output
    assert_none_left(mark)
