"""The key of the day: derived once, followed by rotation, shown nowhere."""

import hashlib
import hmac
from urllib.parse import parse_qs

import pytest
from minio.credentials.credentials import Credentials
from minio.credentials.providers import Provider, StaticProvider

from django_minio_backend import signing
from django_minio_backend.signing import Signer
from pentad_config import Secret
from pentad_config.exposure import exposures
from pentad_config.minio import SecretProvider

REGION, SECRET, NEXT = "us-east-1", "a-very-secret-key-0123456789", "the-next-secret-key-0123456789"


class Rotating(Provider):
    """Gives whichever secret key is the current one."""

    def __init__(self):
        self.current = SECRET

    def retrieve(self):
        return Credentials("access", self.current)


def sign(signer):
    """Sign a link and return the day it is signed for."""
    query = signer.query("GET", "host", "/bucket/name", REGION, 60)
    return parse_qs(query)["X-Amz-Date"][0][:8]


def day_key(secret, day):
    """The signing key as the API reference derives it."""
    key = f"AWS4{secret}".encode()
    for part in (day, REGION, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    return key


@pytest.mark.parametrize(
    "provider",
    [StaticProvider("access", SECRET), SecretProvider(Secret("access"), Secret(SECRET))],
    ids=["minio's", "ours"],
)
def test_the_key_of_the_day_is_derived_once(provider, monkeypatch):
    """Only the signature itself is computed for each further link."""
    signer, keyed = Signer(provider), []
    plain = signing._hmac
    monkeypatch.setattr(signing, "_hmac", lambda key, text: keyed.append(text) or plain(key, text))
    sign(signer)
    first = len(keyed)
    sign(signer)
    assert (first, len(keyed) - first) == (5, 1)


def test_neither_key_shows():
    """The key of the day signs whatever the secret key would, so it is hidden as well."""
    signer = Signer(SecretProvider(Secret("access"), Secret(SECRET)))
    key = day_key(SECRET, sign(signer))
    assert signer._kept.reveal() == key
    assert exposures(signer, SECRET, "django_minio_backend") == []
    assert exposures(signer, key.decode("latin-1"), "django_minio_backend") == []


def test_a_rotated_key_signs_at_once():
    """The next link is signed with the new key, and the one after a roll-back with the old key again."""
    provider = Rotating()
    signer = Signer(provider)
    for provider.current in (SECRET, NEXT, SECRET):
        day = sign(signer)
        assert signer._kept.reveal() == day_key(provider.current, day)
