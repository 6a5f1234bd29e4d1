"""The first key signs, all verify, and the ring follows its file."""

import copy
import os
import pickle
import time

import pytest

from pentad_config import ConfigError, KeyRing, Secret

A, B, C = "a" * 32, "b" * 32, "c" * 32


def write(path, *keys, age=3600.0):
    path.write_text("\n".join(keys) + "\n")
    stamp = time.time() - age
    os.utime(path, (stamp, stamp))
    return path


def ring_of(path, **options):
    return KeyRing(Secret.at(f"file:{path}", name="session_keys", ttl=0), **options)


@pytest.mark.parametrize("source", [f"{A}\n{B}", f"{A} {B}\n", [A, B], (Secret(A), B), [A.encode(), B]])
def test_keys_come_from_text_or_a_sequence(source):
    """The first is the one that signs."""
    ring = KeyRing(source)
    assert ring.primary == A
    assert ring.newest_first() == [A, B]
    assert ring.oldest_first() == [B, A]


def test_a_repeated_key_counts_once():
    """It would be tried twice for nothing."""
    assert KeyRing([A, B, A]).newest_first() == [A, B]


def test_a_ring_without_keys_is_an_error(tmp_path):
    """The message names the file."""
    path = write(tmp_path / "keys", "#")
    path.write_text("\n\n")
    with pytest.raises(ConfigError, match="session_keys: .*keys"):
        ring_of(path)
    with pytest.raises(ConfigError, match="no keys were given"):
        KeyRing([])


def test_a_short_key_is_an_error_that_says_which():
    """Position and length are named, the key is not."""
    with pytest.raises(ConfigError, match="keys: key 2 has 12 characters, 32 needed.") as caught:
        KeyRing([A, "hunter2hunte"])
    assert "hunter2" not in str(caught.value)
    assert KeyRing(["short"], min_length=0).primary == "short"


def test_the_ring_follows_its_file(tmp_path):
    """A promoted key signs from the next use on, and the version moves."""
    path = write(tmp_path / "keys", A)
    ring = ring_of(path)
    before = ring.version
    write(path, B, A, age=3000)
    assert ring.newest_first() == [B, A]
    assert ring.version > before


def test_a_young_file_signs_with_the_key_before(tmp_path):
    """Other nodes get time to learn the new key; a process started meanwhile agrees."""
    path = write(tmp_path / "keys", B, A, age=5)
    ring = ring_of(path, settle=10)
    assert ring.primary == A
    assert ring.newest_first() == [A, B]
    assert ring.oldest_first() == [B, A]
    os.utime(path, (time.time() - 11,) * 2)
    assert ring.primary == B


def test_refresh_looks_past_the_time_to_live(tmp_path):
    """After a bad signature one more look finds the key of a node that was faster."""
    path = write(tmp_path / "keys", A)
    ring = KeyRing(Secret.at(f"file:{path}", ttl=3600))
    write(path, B, A, age=3000)
    assert ring.primary == A
    assert ring.refresh() is True
    assert ring.primary == B
    assert ring.refresh() is False


def test_derived_objects_are_made_once_per_version(tmp_path):
    """A signer is rebuilt when the keys change and not before."""
    path = write(tmp_path / "keys", A)
    ring = ring_of(path)
    made = []

    def build(r):
        made.append(r.primary)
        return r.primary

    assert [ring.derived("signer", build) for _ in range(3)] == [A, A, A]
    write(path, B, A, age=3000)
    assert ring.derived("signer", build) == B
    assert made == [A, B]


def test_a_ring_shows_no_key(tmp_path):
    """Its repr counts, its pickle refers, its copies are itself."""
    path = write(tmp_path / "keys", A, B)
    ring = ring_of(path)
    assert repr(ring) == "<KeyRing session_keys: 2 keys, version 1>"
    data = pickle.dumps(ring)
    assert A.encode() not in data
    assert pickle.loads(data).primary == A
    assert copy.deepcopy({"ring": ring})["ring"] is ring
