"""Secret files are read whole, adopted only when settled, and never replaced by something worse."""

import itertools
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from pentad_config import ConfigError, Secret
from pentad_config.files import QUIET_NS

KEY = "a-secret-of-some-length"
PATIENCE = 120  # seconds, however busy the machine is


def write(path, content, *, old=True):
    """Replace the file, by default with a time stamp long past so that it counts as settled."""
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(data)
    if old:
        os.utime(path, (1_000_000_000, 1_000_000_000 + len(data) % 7))
    return path


def at(path, **options):
    return Secret.at(f"file:{path}", name="secret_key", ttl=0, **options)


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_one_final_line_break_is_dropped(tmp_path, ending):
    """echo and editors add it; nobody means it."""
    assert at(write(tmp_path / "k", KEY + ending)).reveal() == KEY


BAD = {
    "empty": (b"", "is empty."),
    "only a newline": (b"\n", "is empty."),
    "blank after": (b"key  \n", r"has blanks or line breaks around the value \(2 after it\). Write it without"),
    "blank before": (b" key", r"has blanks or line breaks around the value \(1 before it\)"),
    "two newlines": (b"key\n\n", r"\(1 after it\)"),
    "byte order mark": (b"\xef\xbb\xbfkey", "starts with a UTF-8 byte order mark. Save it as plain UTF-8."),
    "not text": (b"ke\xff\xfey", r"is not text \(byte 2\). Declare the setting as bytes, or store it as base64."),
    "nul": (b"k\0y", r"is not text \(byte 1\)"),
    "too large": (b"x" * 65_537, "is larger than 65,536 bytes; is this the right file?"),
}


@pytest.mark.parametrize("case", BAD)
def test_an_unusable_file_is_refused_with_its_name_and_a_remedy(tmp_path, case):
    """The message starts with the setting, names the file, and never holds the content."""
    content, message = BAD[case]
    path = write(tmp_path / "k", content)
    with pytest.raises(ConfigError, match=f"secret_key: {path} .*{message}") as caught:
        at(path).reveal()
    assert "xxx" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    """Nothing else is guessed."""
    with pytest.raises(ConfigError, match=f"secret_key: {tmp_path}/no does not exist."):
        at(tmp_path / "no").reveal()


def test_a_directory_is_refused(tmp_path):
    """The message says what is needed instead."""
    with pytest.raises(ConfigError, match="is a directory; a regular file is needed."):
        at(tmp_path).reveal()


def test_a_fifo_does_not_block(tmp_path):
    """Opening is non-blocking, so a start never hangs on a pipe."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="is not a regular file"):
        at(tmp_path / "pipe").reveal()


def test_a_device_is_refused():
    """It would be read for ever."""
    with pytest.raises(ConfigError, match="secret_key: /dev/zero is not a regular file; a regular file is needed."):
        at("/dev/zero").reveal()


def test_a_file_that_others_may_write_is_refused(tmp_path):
    """Anyone could replace the secret."""
    path = write(tmp_path / "k", KEY)
    path.chmod(0o666)
    with pytest.raises(ConfigError, match=r"is writable by others \(0666\); anyone could replace it. chmod go-w."):
        at(path).reveal()


def test_an_unreadable_file_names_mode_and_owner():
    """The reader is told what to change."""
    script = (
        "import os, sys\n"
        "from pentad_config import Secret, ConfigError\n"
        "os.setuid(65534) if os.geteuid() == 0 else None\n"
        "try: Secret.at('file:' + sys.argv[1], name='secret_key').reveal()\n"
        "except ConfigError as error: print(error)\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # the other user must be able to reach the file
        path = write(Path(folder) / "k", KEY)
        path.chmod(0o000)
        printed = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True)
    uid = 65534 if os.geteuid() == 0 else os.geteuid()
    assert f"cannot be read by uid {uid} (file is 0000, owner " in printed.stdout
    assert "Change its owner or mode." in printed.stdout


def test_binary_content_is_kept_byte_for_byte(tmp_path):
    """A key of bytes is not text and keeps its last byte."""
    assert at(write(tmp_path / "k", b"\x00\xff\n"), binary=True).reveal() == b"\x00\xff\n"


def test_a_replaced_file_is_seen(tmp_path):
    """A rename over the old file changes the value while the process runs."""
    secret = at(write(tmp_path / "k", "first-value"))
    assert secret.reveal() == "first-value"
    write(tmp_path / "new", "second-value")
    (tmp_path / "new").rename(tmp_path / "k")
    assert secret.reveal() == "second-value"


@pytest.mark.parametrize("damage", ["gone", "empty", "blanks", "directory"])
def test_the_last_good_value_serves_when_the_file_goes_bad(tmp_path, damage):
    """Nothing worse is adopted; `problem` says why, and ends when the file is good again."""
    path = write(tmp_path / "k", KEY)
    secret = at(path)
    assert secret.reveal() == KEY
    path.unlink()
    if damage == "directory":
        path.mkdir()
    elif damage != "gone":
        write(path, "" if damage == "empty" else "x \n")
    assert secret.reveal() == KEY
    assert str(path) in str(secret.problem)
    if damage == "directory":
        path.rmdir()
    write(path, "good-again")
    assert secret.reveal() == "good-again"
    assert secret.problem is None


def test_a_problem_is_logged_once(tmp_path, caplog):
    """Not at every read; again when it is another one."""
    path = write(tmp_path / "k", KEY)
    secret = at(path)
    secret.reveal()
    path.unlink()
    for _ in range(3):
        secret.reveal()
    assert caplog.messages == [f"secret_key: {path} does not exist. The last good value is still used."]
    write(path, "")
    secret.reveal()
    assert caplog.messages[1:] == [f"secret_key: {path} is empty. The last good value is still used."]


@pytest.fixture
def clock(monkeypatch):
    """The time of day, in nanoseconds, at which files are looked at: it stands still unless a test moves it."""
    clock = SimpleNamespace(ns=time.time_ns())
    monkeypatch.setattr("pentad_config.files.time.time_ns", lambda: clock.ns)
    return clock


def test_a_file_that_never_settles_is_an_error_only_at_the_start(tmp_path, monkeypatch, clock):
    """The message says how to replace a file."""
    path = write(tmp_path / "k", KEY)
    times = itertools.count(clock.ns)

    def written_again(*_):
        os.utime(path, ns=(next(times),) * 2)

    monkeypatch.setattr("pentad_config.files.time.sleep", written_again)
    written_again()
    with pytest.raises(ConfigError) as caught:
        at(path).reveal()
    assert str(caught.value) == (
        f"secret_key: {path} kept changing while it was read. Write a new file and rename it over the old one."
    )


@pytest.mark.parametrize("ahead", [0.2, 30, 59, 3600])
def test_a_file_from_a_server_whose_clock_is_ahead_is_read_at_the_start(tmp_path, ahead):
    """It stands still between two looks, which is what counts; its time says nothing of its age."""
    path = write(tmp_path / "k", KEY)
    later = time.time() + ahead
    os.utime(path, (later, later))
    assert at(path).reveal() == KEY


def test_a_file_that_is_written_by_a_server_whose_clock_is_ahead_is_waited_for(tmp_path, monkeypatch):
    """What was read before it stood still is not used."""
    path = write(tmp_path / "k", KEY[:5])
    later = time.time() + 30
    os.utime(path, (later, later))
    contents = iter([KEY[:9], KEY])

    def go_on(_):
        path.write_text(next(contents, KEY))
        os.utime(path, (later, later))

    monkeypatch.setattr("pentad_config.files.time.sleep", lambda _: None if path.read_text() == KEY else go_on(_))
    assert at(path).reveal() == KEY


def test_a_write_during_the_read_is_noticed(tmp_path, monkeypatch):
    """What was read is dropped and read again: else the old value would pass for the new file's."""
    path = write(tmp_path / "k", "old-value")
    opened = os.fdopen

    class Overtaken:
        def __init__(self, *arguments):
            self.file = opened(*arguments)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def read(self, size):
            monkeypatch.undo()
            found = self.file.read(size)
            write(tmp_path / "k", "new-value")
            return found

    monkeypatch.setattr("pentad_config.files.os.fdopen", Overtaken)
    assert at(path).reveal() == "new-value"


def test_same_size_rewrites_within_one_tick_of_the_clock_are_seen(tmp_path):
    """A version is adopted only when nothing can be written with the same time stamp any more."""
    path = tmp_path / "k"
    path.write_text("value-00")
    secret = at(path)
    for n in range(1, 11):
        path.write_text("value-xx")
        secret.reveal()
        path.write_text(f"value-{n:02}")
        deadline = time.monotonic() + PATIENCE
        while secret.reveal() != f"value-{n:02}":
            assert time.monotonic() < deadline, f"rewrite {n} was missed"


def test_a_file_written_a_moment_ago_is_not_adopted_yet(tmp_path, clock):
    """It may be half-written: the old value serves until the file has been quiet."""
    path = write(tmp_path / "k", "old-value")
    secret = at(path)
    assert secret.reveal() == "old-value"
    write(path, "new-", old=False)
    clock.ns = path.stat().st_mtime_ns + QUIET_NS - 1
    assert secret.reveal() == "old-value"
    clock.ns += 1
    assert secret.reveal() == "new-"


def test_the_file_is_left_alone_between_looks(tmp_path, monkeypatch):
    """Within the time-to-live a read costs no system call."""
    secret = Secret.at(f"file:{write(tmp_path / 'k', KEY)}", ttl=60)
    secret.reveal()
    looks = []
    monkeypatch.setattr(os, "stat", lambda *a, **k: looks.append(a))
    for _ in range(100):
        secret.reveal()
    assert looks == []


def test_no_torn_value_is_ever_adopted(tmp_path):
    """A writer that truncates and rewrites in place all the time never makes a reader see half a value."""
    whole = {c * 4096 for c in "abcdef"}
    path = write(tmp_path / "k", "a" * 4096)
    secret = at(path)
    secret.reveal()
    stop = threading.Event()
    writes, served = [], ["a" * 4096]

    def writer():
        for c in itertools.takewhile(lambda _: not stop.is_set(), itertools.cycle("bcdefa")):
            with open(path, "w") as file:
                file.write(c * 2048)
                file.flush()
                file.write(c * 2048)
            writes.append(c)
            if len(writes) % 50 == 0:
                # Now and then long enough for a version to settle and to be adopted.
                while served[-1] != c * 4096 and not stop.wait(0.01):
                    pass

    thread = threading.Thread(target=writer)
    thread.start()
    try:
        deadline = time.monotonic() + PATIENCE
        while len(set(served)) < 3:
            assert time.monotonic() < deadline, f"{len(writes)} writes, {len(set(served))} values served"
            value = secret.reveal()
            assert value in whole
            if value != served[-1]:
                served.append(value)
    finally:
        stop.set()
        thread.join()
