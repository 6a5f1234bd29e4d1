"""Threads and forked processes share secrets safely."""

import os
import threading
import time

import pytest

from pentad_config import KeyRing, Secret, Together, redact

A, B = "a" * 32, "b" * 32


def old_file(path, text, stamp=1):
    path.write_text(text)
    os.utime(path, (stamp, stamp))
    return path


def in_child(check):
    """Run `check` in a forked child and return its exit status; a child that hangs is ended and counts as 99."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if check() else 1)
        finally:
            os._exit(2)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return 99


def test_a_fork_while_another_thread_reads_a_file_does_not_hang(tmp_path):
    """The child gets a lock of its own: the thread that held the parent's is not there."""
    path = old_file(tmp_path / "k", A)
    secret = Secret.at(f"file:{path}", ttl=0)
    secret.reveal()
    old_file(path, B, 2)
    with secret._source.lock:
        assert in_child(lambda: secret.reveal() == B) == 0


def test_a_fork_while_another_thread_reads_a_bundle_does_not_hang(tmp_path):
    """Neither does a bundle."""
    both = Together(Secret.at(f"file:{old_file(tmp_path / 'a', A)}"), Secret.at(f"file:{old_file(tmp_path / 'b', B)}"))
    both._ttl = 0
    both.reveal()
    both._due = 0
    with both._lock:
        assert in_child(lambda: both.reveal() == (A, B)) == 0


def test_secrets_can_be_made_while_another_thread_redacts():
    """The list of live secrets changes under its reader."""
    failures, stop = [], threading.Event()

    def reader():
        try:
            while not stop.is_set():
                redact("some text")
        except RuntimeError as error:
            failures.append(error)

    threads = [threading.Thread(target=reader) for _ in range(2)]
    for thread in threads:
        thread.start()
    kept = [Secret(f"value-number-{n:06}") for n in range(3000)]
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert redact(kept[7].reveal()) == "<redacted>"


def test_threads_see_whole_versions_of_a_ring(tmp_path):
    """What is derived always belongs to keys that were in the file together."""
    path = tmp_path / "keys"
    pairs = [(A, B), (B, A)]
    old_file(path, "\n".join(pairs[0]), 1)
    ring = KeyRing(Secret.at(f"file:{path}", ttl=0))
    failures, stop = [], threading.Event()

    def reader():
        while not stop.is_set():
            keys = ring.derived("keys", lambda r: tuple(r.newest_first()))
            if keys not in pairs or tuple(ring.newest_first()) not in pairs:
                failures.append(keys)

    threads = [threading.Thread(target=reader) for _ in range(3)]
    for thread in threads:
        thread.start()
    for stamp in range(2, 60):
        new = old_file(tmp_path / "new", "\n".join(pairs[stamp % 2]), stamp)
        new.rename(path)
        ring.refresh()
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert ring.version > 30


def test_a_ring_that_another_thread_refreshed_counts_as_changed_for_this_one(tmp_path):
    """A signature that this thread checked with the old keys deserves a second try."""
    path = old_file(tmp_path / "keys", A)
    ring = KeyRing(Secret.at(f"file:{path}", ttl=3600))
    assert ring.primary == A
    old_file(path, f"{B}\n{A}", 2)
    other = threading.Thread(target=ring.refresh)
    other.start()
    other.join()
    assert ring.refresh() is True
    assert ring.refresh() is False


@pytest.mark.parametrize("kind", ["file", "env"])
def test_a_child_process_keeps_the_value_of_its_parent(tmp_path, monkeypatch, kind):
    """After the file or the variable is gone."""
    monkeypatch.setenv("APP_KEY", A)
    path = old_file(tmp_path / "k", A)
    secret = Secret.at("env:APP_KEY" if kind == "env" else f"file:{path}", ttl=0)
    secret.reveal()
    monkeypatch.delenv("APP_KEY")
    path.unlink()
    assert in_child(lambda: secret.reveal() == A) == 0
