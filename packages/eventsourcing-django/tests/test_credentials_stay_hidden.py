"""No object, error or check of the package shows a cipher key."""

import pprint

import pytest
from django.core.checks import run_checks
from eventsourcing.cipher import AESCipher
from eventsourcing.utils import Environment

from eventsourcing_django.cipher import KeyRingCipher
from pentad_config import ConfigError
from pentad_config.exposure import exposures

KEY, OTHER = AESCipher.create_key(32), AESCipher.create_key(16)


def cipher(keys):
    return KeyRingCipher(Environment("app", {"CIPHER_KEY": keys}))


def test_a_cipher_holds_no_key_in_clear():
    """Neither in an attribute nor in what it prints."""
    holder = cipher(f"{KEY} {OTHER}")
    assert holder.decrypt(holder.encrypt(b"x")) == b"x"
    assert exposures(holder, KEY, "eventsourcing_django") == []
    assert KEY not in repr(holder) + pprint.pformat(vars(holder))


@pytest.mark.parametrize("keys", ["not+base64-but-long-enough-for-a-key", f"{KEY} {OTHER[:-5]}", f"{KEY}x", KEY[:20]])
def test_an_unusable_key_is_refused_without_quoting_it(keys):
    """Its place in the list is named instead."""
    with pytest.raises(ConfigError) as caught:
        cipher(keys)
    errors = [caught.value, caught.value.__cause__, caught.value.__context__]
    shown = " ".join(f"{error} {error!r}" for error in errors)
    assert all(key not in shown for key in keys.split())


def test_a_wrong_key_is_reported_without_quoting_one():
    """Neither the key that was tried nor the one that would fit."""
    with pytest.raises(ValueError, match="no longer in CIPHER_KEY") as caught:
        cipher(OTHER).decrypt(cipher(KEY).encrypt(b"x"))
    assert KEY not in repr(caught.value)
    assert OTHER not in repr(caught.value)


@pytest.mark.parametrize("name", ["CIPHER_KEY", "CIPHR_KEY", "cipher_key"])
def test_the_system_checks_show_no_key(settings, name):
    """Also of an application whose settings are misspelt."""
    settings.EVENT_SOURCING_APPLICATION = {"CIPHER_TOPIC": "eventsourcing_django.cipher:KeyRingCipher", name: KEY[:-3]}
    messages = run_checks(databases=[])  # Django 6.1 would ask each database whether it has JSON
    assert KEY[:-3] not in " ".join(f"{message} {message!r}" for message in messages)
