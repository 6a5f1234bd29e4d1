"""Keys of encrypted events, and changing them."""

import os
import traceback
import zlib

import pytest
from eventsourcing.cipher import AESCipher
from eventsourcing.utils import Environment
from school.applications import TrainingSchool

from eventsourcing_django.cipher import KeyRingCipher
from pentad_config import ConfigError

OLD, NEW = AESCipher.create_key(16), AESCipher.create_key(32)


def cipher(keys):
    return KeyRingCipher(Environment("app", {"CIPHER_KEY": keys}))


@pytest.mark.parametrize("size", [16, 24, 32])
def test_the_format_is_that_of_aescipher(size):
    """Each reads what the other has written."""
    key = AESCipher.create_key(size)
    theirs, ours = AESCipher(Environment("app", {"CIPHER_KEY": key})), cipher(key)
    assert ours.decrypt(theirs.encrypt(b"a trick")) == b"a trick"
    assert theirs.decrypt(ours.encrypt(b"a trick")) == b"a trick"


def test_the_first_key_encrypts_and_all_decrypt():
    """After a rotation old events are read, and new ones are written with the new key."""
    before = cipher(OLD).encrypt(b"before")
    ring = cipher(f"{NEW} {OLD}")
    assert ring.decrypt(before) == b"before"
    assert cipher(NEW).decrypt(ring.encrypt(b"after")) == b"after"
    with pytest.raises(ValueError, match="no longer in CIPHER_KEY"):
        cipher(NEW).decrypt(before)


def test_keys_are_read_from_a_file_that_may_change(tmp_path):
    """A key added to the file decrypts without a restart."""
    keys = tmp_path / "keys"
    keys.write_text(f"{OLD}\n")
    ring = cipher(f"file:{keys}")
    written = cipher(NEW).encrypt(b"by another process")
    keys.write_text(f"{NEW}\n{OLD}\n")
    earlier = keys.stat().st_mtime - 60
    os.utime(keys, (earlier, earlier))  # not just now, when it might be half written
    assert ring.decrypt(written) == b"by another process"


def test_keys_are_read_from_the_environment(monkeypatch):
    """Under another name, which the application's environment does not have to hold."""
    monkeypatch.setenv("ES_KEYS", OLD)
    assert cipher("env:ES_KEYS").decrypt(cipher(OLD).encrypt(b"a trick")) == b"a trick"


def test_every_ciphertext_is_different():
    """The nonce is never used twice."""
    ring = cipher(OLD)
    assert len({ring.encrypt(b"the same") for _ in range(100)}) == 100


def other_beginning(text):
    return (b"y" if text.startswith(b"x") else b"x") + text[1:]


@pytest.mark.parametrize("damage", [lambda text: text[:-1], lambda text: text[:20], other_beginning])
def test_damage_is_noticed(damage):
    """Cut off, or changed."""
    ring = cipher(OLD)
    with pytest.raises(ValueError, match="damaged"):
        ring.decrypt(damage(ring.encrypt(b"a trick")))


def test_a_missing_key_is_an_error():
    """The same kind of error that AESCipher gives."""
    with pytest.raises(OSError, match="'CIPHER_KEY' not in env"):
        KeyRingCipher(Environment("app", {}))


@pytest.mark.parametrize("key", ["x" * 24, AESCipher.create_key(16)[:-4] + "!!!!", "\u00fc" * 24, "c2hvcnQ="])
def test_a_bad_key_is_an_error_that_does_not_show_it(key):
    """It says which of the keys it is."""
    with pytest.raises(ConfigError, match="CIPHER_KEY: key 2") as caught:
        cipher(f"{OLD} {key}")
    assert key not in str(caught.value)


def test_a_bad_key_in_a_file_that_changed_is_noticed_when_it_is_read(tmp_path, caplog):
    """Events are written and read with the keys there were, and the log says which key is wrong and why."""
    keys = tmp_path / "keys"

    def write(text, age):
        keys.write_text(text)
        os.utime(keys, (keys.stat().st_mtime - age,) * 2)

    write(OLD, 120)
    ring = cipher(f"file:{keys}")
    written = cipher(NEW).encrypt(b"by another process")
    write(f"{NEW[:-4]}!!!!\n{OLD}", 60)
    with pytest.raises(ValueError, match="no longer in CIPHER_KEY"):
        ring.decrypt(written)  # looks at the file once more
    assert ring.decrypt(ring.encrypt(b"a trick")) == b"a trick"
    assert caplog.messages == [
        "CIPHER_KEY: key 1 is not base64 of 16, 24 or 32 bytes. The keys there were are still used."
    ]
    write(f"{NEW}\n{OLD}", 30)
    assert ring.decrypt(written) == b"by another process"


def test_keys_do_not_show():
    """Neither in the cipher's representation nor in its attributes."""
    ring = cipher(OLD)
    assert OLD not in repr(ring)
    assert OLD not in repr(vars(ring))


def test_no_frame_of_a_refusal_shows_a_key():
    """Reports of errors print the variables of every function on the way."""
    with pytest.raises(ConfigError) as caught:
        cipher(f"{OLD} {NEW[:-4]}")
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    frames = [frame for frame in told.stack if frame.filename != __file__]
    assert frames
    assert all(key not in f"{frame.locals}" for frame in frames for key in (OLD, NEW[:-4]))


def test_an_application_is_encrypted(alias):
    """What is stored does not show what happened, and a rotated application reads it."""
    env = {
        "PERSISTENCE_MODULE": "eventsourcing_django",
        "DJANGO_DB_ALIAS": alias,
        "CIPHER_TOPIC": "eventsourcing_django.cipher:KeyRingCipher",
        "COMPRESSOR_TOPIC": "eventsourcing.compressor:ZlibCompressor",
    }
    school = TrainingSchool(env=env | {"CIPHER_KEY": OLD})
    school.register("Fido")
    (stored,) = school.recorder.select_notifications(None, 10)
    assert b"Fido" not in stored.state
    rotated = TrainingSchool(env=env | {"CIPHER_KEY": f"{NEW}\n{OLD}"})
    rotated.add_trick("Fido", "sit")
    assert rotated.get_tricks("Fido") == ["sit"]


@pytest.mark.parametrize("compressed", [{}, {"COMPRESSOR_TOPIC": "eventsourcing.compressor:ZlibCompressor"}])
def test_events_from_before_encryption_are_read_if_that_is_asked_for(alias, compressed):
    """New ones are encrypted; what is asked for can be taken back once no plain event is read any more."""
    plain = {"PERSISTENCE_MODULE": "eventsourcing_django", "DJANGO_DB_ALIAS": alias, **compressed}
    sealed = {**plain, "CIPHER_TOPIC": "eventsourcing_django.cipher:KeyRingCipher", "CIPHER_KEY": OLD}
    TrainingSchool(env=plain).register("Fido")
    with pytest.raises(ValueError, match="no longer in CIPHER_KEY"):
        TrainingSchool(env=sealed).get_tricks("Fido")
    school = TrainingSchool(env={**sealed, "CIPHER_ACCEPT_PLAINTEXT": "yes"})
    school.add_trick("Fido", "roll over")
    assert school.get_tricks("Fido") == ["roll over"]
    *_, stored = school.recorder.select_notifications(None, 10)
    opened = AESCipher(Environment("app", {"CIPHER_KEY": OLD})).decrypt(stored.state)
    assert b"roll over" in (zlib.decompress(opened) if compressed else opened)
    with pytest.raises(ValueError, match="no longer in CIPHER_KEY"):
        TrainingSchool(env={**sealed, "CIPHER_KEY": NEW, "CIPHER_ACCEPT_PLAINTEXT": "yes"}).get_tricks("Fido")


def test_accepting_plaintext_is_yes_or_no():
    """Anything else is refused at the start, before it could be taken for a yes."""
    for said, accepts in {"": False, "no": False, "yes": True, "1": True}.items():
        ring = KeyRingCipher(Environment("app", {"CIPHER_KEY": OLD, "CIPHER_ACCEPT_PLAINTEXT": said}))
        assert ring._accepts_plaintext is accepts
    with pytest.raises(OSError, match="'CIPHER_ACCEPT_PLAINTEXT' in env is 'maybe': say yes or no"):
        KeyRingCipher(Environment("app", {"CIPHER_KEY": OLD, "CIPHER_ACCEPT_PLAINTEXT": "maybe"}))


@pytest.mark.parametrize("short", [b"{}", b"{" + b"x" * 40])
def test_what_begins_like_json_is_no_event_unless_plaintext_is_accepted(short):
    """However short it is."""
    accepting = KeyRingCipher(Environment("app", {"CIPHER_KEY": OLD, "CIPHER_ACCEPT_PLAINTEXT": "yes"}))
    assert accepting.decrypt(short) == short
    with pytest.raises(ValueError, match="Cipher text is damaged"):
        cipher(OLD).decrypt(short)
    with pytest.raises(ValueError, match="Cipher text is damaged"):
        accepting.decrypt(b"y" + short)
