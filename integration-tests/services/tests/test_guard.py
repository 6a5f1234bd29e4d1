"""A guard's processes end with it, whatever dies first."""

import json
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest

from pentad_services.guard import MARKER, ProcessGuard

PATIENCE = 120  # seconds, however busy the machine is
PROGRAM = str(Path(__file__).with_name("guarded_tree.py"))
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc and child subreapers")


def marked(mark):
    """Processes whose environment carries the mark, from /proc, zombies left out."""
    found = set()
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"PENTAD_TREE={mark}".encode() in environ.read_bytes().split(b"\0"):
                found.add(int(environ.parent.name))
        except OSError:
            continue
    return found


def ended(pid, seconds=PATIENCE):
    """Wait for the end of a process that is not ours; False when it has not come after some seconds."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)


def gone(mark, seconds=PATIENCE, spared=0):
    """Whether all marked processes but one spared, and any they start meanwhile, end within some seconds."""
    deadline = time.monotonic() + seconds
    while left := marked(mark) - {spared}:
        if time.monotonic() > deadline or not all(ended(pid, deadline - time.monotonic()) for pid in left):
            return False
    return True


def vanished(folder, seconds=PATIENCE):
    """Whether a folder is removed within some seconds: its owner does that after the processes have ended."""
    deadline = time.monotonic() + seconds
    while Path(folder).exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def tree():
    """Starts a guarded tree in another process; whatever is left of it is killed after the test."""
    marks, processes = [], []

    def start(kind="owner", *options):
        mark = uuid.uuid4().hex
        process = subprocess.Popen(
            [sys.executable, PROGRAM, kind, *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PENTAD_TREE": mark},
        )  # fmt: skip
        marks.append(mark)
        processes.append(process)
        return mark, process, json.loads(process.stdout.readline())

    yield start
    for mark in marks:
        for pid in marked(mark):
            os.kill(pid, signal.SIGKILL)
    for process in processes:
        process.stdin.close()
        process.stdout.close()
        process.wait()


@linux
def test_leaving_the_block_ends_the_tree(tree):
    """After the `with` block nothing is left: no child, no daemon, no folder."""
    mark, process, told = tree()
    assert len(marked(mark)) >= 8
    process.stdin.write(b"\n")
    process.stdin.flush()
    assert process.wait(PATIENCE) == 0
    assert marked(mark) == set()
    assert not Path(told["folder"]).exists()


@linux
@pytest.mark.parametrize(
    "victims",
    [("owner",), ("watcher",), ("keeper",), ("owner", "keeper"), ("owner", "watcher"), ("watcher", "keeper")],
    ids="+".join,
)
def test_killing_any_of_the_three_ends_the_tree(tree, victims):
    """SIGKILL of owner, watcher or keeper, or of any two of them, leaves no guarded process and no folder."""
    mark, process, told = tree()
    for victim in victims:
        os.kill(told[victim], signal.SIGKILL)
    if "owner" not in victims:  # the owner lives on by right; what it guarded does not
        assert gone(mark, spared=told["owner"])
        assert vanished(told["folder"])
        process.kill()
    process.wait()
    assert gone(mark)
    assert vanished(told["folder"])


@linux
def test_killing_the_owners_parent_ends_the_tree(tree):
    """With `end_with_parent`, SIGKILL of the owner's parent (as of nox) ends the owner and its tree."""
    mark, process, told = tree("shell")
    process.kill()
    process.wait()
    assert ended(told["owner"])
    assert gone(mark)


@linux
def test_nothing_is_left_after_random_kills(tree):
    """A dozen rounds: one to three random processes of the tree are killed at random moments; none is left."""
    seed = int.from_bytes(os.urandom(4))
    chance = random.Random(seed)
    for number in range(12):
        mark, process, told = tree("owner")
        names = chance.sample(["owner", "watcher", "keeper", "child", "other"], chance.randint(1, 3))
        if {"owner", "watcher", "keeper"} <= set(names):
            names.remove("watcher")  # with all three dead nobody is left to look
        for name in names:
            threading.Event().wait(chance.random() * 0.03)
            try:
                os.kill(told[name], signal.SIGKILL)
            except ProcessLookupError:
                continue  # ended by the one before
        if "owner" not in names and not {"watcher", "keeper"} & set(names):
            process.stdin.write(b"\n")
            process.stdin.flush()
        elif "owner" not in names:
            assert gone(mark, spared=told["owner"]), f"round {number} of seed {seed}: killed {names}"
            process.kill()
        process.wait()
        assert gone(mark), f"round {number} of seed {seed}: killed {names}, left {marked(mark)}"


@linux
def test_killed_while_it_starts(tree):
    """The owner is killed at random moments while the tree is still being started; none is left."""
    for _ in range(10):
        mark = uuid.uuid4().hex
        process = subprocess.Popen(
            [sys.executable, PROGRAM, "owner"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            env={**os.environ, "PENTAD_TREE": mark},
        )  # fmt: skip
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.05 + random.random() * 0.3)
        process.kill()
        process.wait()
        process.stdin.close()
        assert gone(mark)


@linux
def test_a_fork_of_the_owner_does_not_keep_the_tree_alive(tree):
    """A child that the owner forked, and that outlives it, neither ends nor keeps the guarded processes."""
    program = (
        "import os, sys, time; from pentad_services.guard import ProcessGuard\n"
        "guard = ProcessGuard(); process = guard.spawn(['sleep', '1000'])\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    guard.close(); time.sleep(1000)\n"
        "print(process.pid, child, flush=True); time.sleep(1000)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as owner:
        guarded, forked = map(int, owner.stdout.readline().split())
        os.kill(guarded, 0)
        owner.kill()
        assert ended(guarded)
        os.kill(forked, signal.SIGKILL)


def test_a_process_is_like_popen(tmp_path):
    """Exit codes, output, environment, folder and log arrive as with `subprocess.Popen`."""
    with ProcessGuard() as guard:
        log = tmp_path / "log"
        process = guard.spawn(
            ["sh", "-c", 'pwd; echo "$WHO"; echo "$PENTAD_GUARD" >&2; exit 7'], cwd=tmp_path, log=log, env={"WHO": "me"},
        )  # fmt: skip
        assert process.wait(PATIENCE) == 7
        assert process.poll() == 7
        assert log.read_text().split() == [str(tmp_path), "me", guard.name]
        assert process.tail(1) == guard.name
        talking = guard.spawn(["cat"], stdin=log.open("rb"), stdout=subprocess.PIPE)
        assert talking.stdout.read().decode() == log.read_text()
        talking.stdout.close()
        assert MARKER == "PENTAD_GUARD"


def test_stopping_a_process_ends_its_children():
    """`stop` with no grace, and `kill`, end what the process started too, at once."""
    with ProcessGuard() as guard:
        process = guard.spawn(["sh", "-c", "sleep 1000 & echo $!; wait"], stdout=subprocess.PIPE)
        child = int(process.stdout.readline())
        assert process.stop(grace=0) == -signal.SIGKILL
        assert ended(child)
        process.stdout.close()


def test_a_program_is_started_again_as_it_was_the_first_time(tmp_path):
    """The second process has the first one's arguments and log; while it runs, there is no third."""
    log = tmp_path / "log"

    def wait_for_lines(count):
        deadline = time.monotonic() + PATIENCE
        while log.read_text().count("started") < count:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    with ProcessGuard() as guard:
        process = guard.spawn(["sh", "-c", "echo started; exec sleep 1000"], log=log)
        wait_for_lines(1)
        with pytest.raises(RuntimeError, match="has not ended"):
            process.start_again()
        process.kill()
        assert process.wait(PATIENCE) == -signal.SIGKILL
        process.start_again()
        wait_for_lines(2)
        assert process.poll() is None


def test_a_process_that_ignores_its_stop_signal_is_killed():
    """After its grace a process that ignores SIGTERM gets SIGKILL."""
    with ProcessGuard() as guard:
        process = guard.spawn(
            ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1000; done"], stdout=subprocess.PIPE
        )
        process.stdout.readline()
        process.stdout.close()
        assert process.stop(grace=0.2) == -signal.SIGKILL


@pytest.fixture(params=[signal.SIG_DFL, signal.SIG_IGN], ids=["foreground", "background"])
def quit_signal(request):
    """What a terminal's programs do about SIGQUIT, and those that a script starts with `&`."""
    before = signal.signal(signal.SIGQUIT, request.param)
    yield
    signal.signal(signal.SIGQUIT, before)


@pytest.mark.usefixtures("quit_signal")
def test_the_stop_signal_is_the_one_asked_for():
    """The guard ends each process with the signal that it was started with."""
    with ProcessGuard() as guard:
        process = guard.spawn(
            ["sh", "-c", "trap 'exit 3' QUIT; echo ready; while :; do sleep 0.01; done"],
            stdout=subprocess.PIPE, stop_signal=signal.SIGQUIT, grace=PATIENCE,
        )  # fmt: skip
        process.stdout.readline()
        process.stdout.close()
    assert process.wait(PATIENCE) == 3


def test_a_missing_program_is_an_error():
    """A program that does not exist raises FileNotFoundError that names it; the guard stays usable."""
    with ProcessGuard() as guard:
        with pytest.raises(FileNotFoundError, match="no-such-program"):
            guard.spawn(["no-such-program"])
        assert guard.spawn(["true"]).wait(PATIENCE) == 0


def test_a_closed_guard_says_so():
    """Starting a process under a guard that has ended raises RuntimeError."""
    guard = ProcessGuard()
    guard.close()
    guard.close()
    assert not guard.alive
    with pytest.raises(RuntimeError, match="has ended"):
        guard.spawn(["true"])


def test_many_threads_share_a_guard():
    """Processes started from several threads at once each get their own exit code."""
    with ProcessGuard() as guard:
        codes = {}

        def run(number):
            codes[number] = guard.spawn(["sh", "-c", f"exit {number}"]).wait(PATIENCE)

        threads = [threading.Thread(target=run, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert codes == {number: number for number in range(16)}


def test_large_environments_and_arguments_arrive():
    """Arguments and variables of hundreds of kilobytes reach the program whole."""
    with ProcessGuard() as guard:
        big = "x" * 100_000
        process = guard.spawn(
            ["sh", "-c", "test ${#BIG} = 100000 && test ${#1} = 100000", "sh", big], env={**os.environ, "BIG": big}
        )
        assert process.wait(PATIENCE) == 0
