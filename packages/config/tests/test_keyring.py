"""The first key signs, all verify, and the ring follows its file."""

import copy
import os
import pickle
import time
import traceback

import pytest

from pentad_config import ConfigError, KeyRing, Secret, SecretMisuse, override

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
    with pytest.raises(ConfigError, match="session_keys: .*keys is empty."):
        ring_of(path)
    with pytest.raises(ConfigError, match="session_keys: no keys in the given text."):
        KeyRing(Secret("  \n", name="session_keys"))
    with override(RING_KEYS=" "), pytest.raises(ConfigError, match="session_keys: no keys in RING_KEYS."):
        KeyRing(Secret.at("env:RING_KEYS", name="session_keys"))
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
    path = write(tmp_path / "keys", B, A, age=500)
    ring = ring_of(path, settle=1000)
    assert ring.primary == A
    assert ring.newest_first() == [A, B]
    assert ring.oldest_first() == [B, A]
    os.utime(path, (time.time() - 1001,) * 2)
    assert ring.primary == B


def test_a_running_process_keeps_signing_with_its_key_while_any_change_settles(tmp_path):
    """Whether the new key was put first or, as `ring add` does, last."""
    path = write(tmp_path / "keys", A)
    ring = ring_of(path, settle=1000)
    write(path, A, B, age=500)
    assert ring.newest_first() == [A, B]
    write(path, B, A, age=400)
    assert ring.newest_first() == [A, B]
    write(path, C, B, A, age=300)
    assert ring.primary == A
    write(path, C, B, age=200)
    assert ring.primary == B, "the key that signed is gone: the newest that others know"
    write(path, C, B, age=1100)
    assert ring.primary == C


def test_processes_that_start_in_the_middle_of_a_rotation_agree(tmp_path):
    """The settle rule needs no memory: it goes by the file's time and order."""
    path = write(tmp_path / "keys", A)
    running = ring_of(path, settle=1000)
    write(path, B, A, age=500)
    assert [ring_of(path, settle=1000).primary for _ in range(2)] == [running.primary] * 2 == [A, A]


@pytest.mark.parametrize("bad", ["short", f"{'c' * 32} {'x' * 9}"])
def test_a_ring_keeps_its_keys_when_the_file_gets_unusable_ones(tmp_path, caplog, bad):
    """Nobody is logged out by a bad edit; the log says once what is wrong, and so does `problem`."""
    path = write(tmp_path / "keys", A, B)
    ring = ring_of(path)
    write(path, bad, age=3000)
    assert [ring.newest_first() for _ in range(3)] == [[A, B]] * 3
    (message,) = caplog.messages
    assert message.startswith("session_keys: key ")
    assert message.endswith("32 needed. The keys there were are still used.")
    assert bad.split()[-1] not in message.replace("key", "")
    assert "32 needed" in str(ring.problem)
    write(path, C, A, age=2000)
    assert ring.newest_first() == [C, A]
    assert ring.problem is None


def not_hexadecimal(key):
    return None if set(key) <= set("0123456789abcdef") else "is not hexadecimal."


def test_a_key_of_the_wrong_kind_is_noticed_when_it_is_read(tmp_path, caplog):
    """Not when it is used: at the start it is an error, later the keys there were stay and the log says so once."""
    with pytest.raises(ConfigError, match="keys: key 2 is not hexadecimal.") as caught:
        KeyRing([A, "x" * 32], check=not_hexadecimal)
    assert "xxx" not in str(caught.value)
    path = write(tmp_path / "keys", A, B)
    ring = ring_of(path, check=not_hexadecimal)
    write(path, "x" * 32, A, age=3000)
    assert [ring.newest_first() for _ in range(3)] == [[A, B]] * 3
    assert caplog.messages == ["session_keys: key 1 is not hexadecimal. The keys there were are still used."]
    assert str(ring.problem) == "session_keys: key 1 is not hexadecimal."
    copied = pickle.loads(
        pickle.dumps(KeyRing(Secret.at(f"file:{write(path, C, A, age=2000)}"), check=not_hexadecimal))
    )
    write(path, "y" * 32, age=1000)
    copied.refresh()
    assert copied.newest_first() == [C, A]


def without_x(key):
    return "has an x." if "x" in key else None


def test_who_is_given_a_ring_can_refuse_more_keys(tmp_path):
    """The ring that is returned follows the same file under both checks; the one that was given stays as it is."""
    path = write(tmp_path / "keys", A, B)
    given = ring_of(path, check=without_x)
    ring = given.checked(not_hexadecimal)
    assert (ring.newest_first(), ring.name, ring.min_length) == ([A, B], given.name, given.min_length)
    write(path, "z" * 32, A, age=3000)
    assert (given.primary, ring.primary, str(ring.problem)) == ("z" * 32, A, "session_keys: key 1 is not hexadecimal.")
    write(path, "x" * 32, A, age=2000)
    assert (given.primary, ring.primary, str(ring.problem)) == ("z" * 32, A, "session_keys: key 1 has an x.")
    write(path, C, A, age=1000)
    assert given.primary == ring.primary == C
    with pytest.raises(ConfigError, match=r"keys: key 2 is not hexadecimal\."):
        KeyRing([A, "x" * 32]).checked(not_hexadecimal)
    copied = pickle.loads(pickle.dumps(ring))
    write(path, "x" * 32, age=500)
    assert (copied.primary, str(copied.problem)) == (C, "session_keys: key 1 has an x.")


def test_a_ring_tells_of_its_file_s_problem(tmp_path):
    """The file is gone: the ring serves on and says so."""
    path = write(tmp_path / "keys", A)
    ring = ring_of(path)
    path.unlink()
    assert ring.primary == A
    assert "does not exist" in str(ring.problem)


def test_a_bad_signature_is_worth_one_more_look(tmp_path):
    """A node that read its file later verifies what a faster one signed, although its time-to-live runs."""
    from itsdangerous import BadSignature, TimestampSigner

    path = write(tmp_path / "keys", A)
    fast, slow = ring_of(path), KeyRing(Secret.at(f"file:{path}", ttl=3600))
    write(path, B, A, age=3000)
    signed = TimestampSigner(fast.oldest_first()).sign(b"session")
    with pytest.raises(BadSignature):
        TimestampSigner(slow.oldest_first()).unsign(signed)
    assert slow.refresh()
    assert TimestampSigner(slow.oldest_first()).unsign(signed) == b"session"


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


@pytest.mark.parametrize("empty", ["", b"", " ", Secret(""), Secret(lambda: "")], ids=repr)
def test_an_empty_item_is_refused(empty):
    """It is a key that somebody forgot to set; alone and beside others it is an error."""
    with pytest.raises(ConfigError, match=r"^keys: item 2 is empty\.$"):
        KeyRing(["k" * 32, empty])
    with pytest.raises(ConfigError, match="no keys in the given text"):
        KeyRing([empty])


REFUSED = {
    "too short": ["short-key"],
    "one of two too short": ["k" * 32, "short-key"],
    "no UTF-8": ["short-key" + "\udc80" * 30],
    "beside what is no key": ["short-key", 42],
    "inside what is no key": [{"key": "short-key"}],
    "no sequence of keys": 42,
    "bytes": b"short-key",
    "text": "short-key",
}


@pytest.mark.parametrize("source", REFUSED.values(), ids=REFUSED)
def test_no_frame_of_a_refusal_shows_a_key(source):
    """Reports of errors print the variables of every function on the way, this ring among them."""
    with pytest.raises((ConfigError, SecretMisuse)) as caught:
        KeyRing(source)
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    frames = [frame for frame in told.stack if frame.filename != __file__]
    assert frames[0].locals["self"] == "<KeyRing>"
    assert "short-key" not in " ".join(f"{frame.locals}" for frame in frames) + str(caught.value)
