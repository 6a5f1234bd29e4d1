"""Secrets that belong together are always of one generation."""

import itertools
import os
import pickle
import threading
import time

import pytest

from pentad_config import ConfigError, Secret, SecretMisuse, Together
from pentad_config.files import FileSource

PATIENCE = 120  # seconds, however busy the machine is


def generation(folder, name, value):
    """Write a pair the way Kubernetes does: a new folder, then one rename of the link that points to it."""
    target = folder / f"v{name}"
    target.mkdir()
    for file in ("access", "secret"):
        (target / file).write_text(f"{file}-{value}-{'x' * 20}")
        os.utime(target / file, (1_000_000_000 + name, 1_000_000_000 + name))
    link = folder / f"link{name}"
    link.symlink_to(target.name)
    link.rename(folder / "data")


def pair(folder, **options):
    return Together(*(Secret.at(f"file:{folder}/data/{n}", name=n, ttl=0) for n in ("access", "secret")), **options)


def test_both_come_from_one_generation_under_constant_swapping(tmp_path):
    """A writer that swaps as fast as it can never makes a reader see a mixed pair."""
    generation(tmp_path, 0, 0)
    both = pair(tmp_path, ttl=0)
    both.reveal()
    stop = threading.Event()

    def writer():
        for n in itertools.takewhile(lambda _: not stop.is_set(), itertools.count(1)):
            generation(tmp_path, n, n)

    thread = threading.Thread(target=writer)
    thread.start()
    try:
        deadline = time.monotonic() + PATIENCE
        seen = set()
        while len(seen) < 100:
            assert time.monotonic() < deadline, f"{len(seen)} generations seen"
            access, secret = both.reveal()
            assert access.split("-")[1] == secret.split("-")[1]
            seen.add(access)
    finally:
        stop.set()
        thread.join()
    assert both.generation >= len(seen)


def test_the_previous_pair_serves_while_a_file_is_missing(tmp_path):
    """Half a rotation is no rotation."""
    generation(tmp_path, 0, 0)
    both = pair(tmp_path, ttl=0)
    first = both.reveal()
    (tmp_path / "v0" / "secret").unlink()
    assert both.reveal() == first


def test_a_file_that_goes_away_is_said_once_and_forgotten_when_it_is_back(tmp_path, caplog):
    """The pair serves on, also when the folder became something else; the log and the secret's `problem` say why."""
    generation(tmp_path, 0, 0)
    both = pair(tmp_path, ttl=0)
    first = both.reveal()
    (tmp_path / "data").rename(tmp_path / "away")
    (tmp_path / "data").write_text("no folder")
    assert [both.reveal(), both.reveal()] == [first, first]
    assert [str(secret.problem) for secret in both.secrets] == [
        f"{name}: {tmp_path}/data/{name} cannot be read: Not a directory." for name in ("access", "secret")
    ]
    assert len(caplog.messages) == 2
    (tmp_path / "away").rename(tmp_path / "data")
    assert both.reveal() == first
    assert [secret.problem for secret in both.secrets] == [None, None]


def test_a_path_through_a_file_is_an_error_of_its_setting(tmp_path):
    """Not the bare error of the operating system."""
    (tmp_path / "data").write_text("no folder")
    with pytest.raises(ConfigError, match="access: .*/data/access cannot be read: Not a directory."):
        pair(tmp_path).reveal()


def test_a_callable_is_asked_once_for_each_look():
    """It may cost a request to a vault."""
    asked = []
    Together(Secret(lambda: asked.append(1) or "value")).reveal()
    assert asked == [1]


def test_a_pair_that_never_was_whole_names_what_is_missing(tmp_path):
    """The error is that of the missing file."""
    generation(tmp_path, 0, 0)
    (tmp_path / "v0" / "secret").unlink()
    with pytest.raises(ConfigError, match="secret: .*/data/secret does not exist."):
        pair(tmp_path).reveal()


def test_values_that_are_no_files_work_too():
    """A literal pair has one generation."""
    both = Together(Secret("a-key"), Secret("s-key"))
    assert both.reveal() == ("a-key", "s-key")
    assert both.generation == 1


def test_files_that_never_stand_still_together_are_an_error_only_at_the_start(tmp_path, monkeypatch):
    """All settings of the bundle are named."""
    generation(tmp_path, 0, 0)
    numbers = iter(range(1, 1000))
    read = FileSource.read

    def swapped_meanwhile(source, **options):
        number = next(numbers)
        generation(tmp_path, number, number)
        return read(source, **options)

    monkeypatch.setattr(FileSource, "read", swapped_meanwhile)
    monkeypatch.setattr("pentad_config.together._PAUSE", 0)
    with pytest.raises(ConfigError) as caught:
        pair(tmp_path).reveal()
    assert str(caught.value) == "access, secret: kept changing while they were read together."


def test_a_bundle_takes_secrets_only():
    """Text would show in its attributes."""
    with pytest.raises(SecretMisuse, match="Together: Secrets are needed, not str, int"):
        Together("hunter2", Secret("x"), 5)
    with pytest.raises(SecretMisuse, match="not nothing"):
        Together()


def test_a_bundle_of_references_can_be_sent_to_another_process(tmp_path):
    """It reads the files there."""
    generation(tmp_path, 0, 0)
    again = pickle.loads(pickle.dumps(pair(tmp_path)))
    assert again.reveal()[0].startswith("access-0-")
