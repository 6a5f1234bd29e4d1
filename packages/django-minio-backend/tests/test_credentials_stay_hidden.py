"""No storage, error, check, log line or migration shows a key."""

import logging
import pickle
import pprint

import pytest
from django.core.checks import run_checks
from django.core.files.base import ContentFile
from django.db import models
from django.db.migrations.writer import MigrationWriter
from minio import Minio

from django_minio_backend import MinioBackend
from pentad_config import Secret
from pentad_config.exposure import exposures

VALUE = "hunter2-hunter2-hunter2"
ACCESS = "access-access-access"


def storage(secret=VALUE, **options):
    given = {
        "MINIO_PRIVATE_BUCKETS": ["bucket"],
        "MINIO_ENDPOINT": "127.0.0.1:1",
        "MINIO_ACCESS_KEY": ACCESS,
        "MINIO_SECRET_KEY": secret,
        **options,
    }
    return MinioBackend("bucket", MINIO_USE_HTTPS=False, MINIO_RETRIES=0, MINIO_CONNECT_TIMEOUT=0.5, **given)


@pytest.mark.parametrize("given", [VALUE, Secret(VALUE), Secret(lambda: VALUE)], ids=["text", "secret", "callable"])
def test_a_storage_holds_no_key_in_clear(given):
    """Neither before nor after it has signed a link, in attributes or in what it prints."""
    held = storage(given)
    assert exposures(held, VALUE, "django_minio_backend") == []
    assert isinstance(held.client, Minio)
    assert "X-Amz-Signature" in held.url("name")
    assert exposures(held, VALUE, "django_minio_backend") == []
    assert VALUE not in repr(held) + pprint.pformat(vars(held)) + f"{held}"


def test_a_migration_shows_no_key():
    """Not even the one that a storage was given as text."""
    field = models.FileField(storage=storage())
    text, _ = MigrationWriter.serialize(field)
    assert "env:MINIO_SECRET_KEY" in text
    assert VALUE not in text
    assert ACCESS not in text


def test_a_storage_with_a_literal_key_is_not_pickled():
    """The pickle would carry it."""
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(storage())


def test_a_server_that_cannot_be_reached_is_reported_without_keys(caplog):
    """The error, what caused it, and the log at every level."""
    caplog.set_level(logging.DEBUG)
    with pytest.raises(Exception) as caught:
        storage().save("name", ContentFile(b"x"))
    error, shown = caught.value, [caplog.text]
    while error is not None:
        shown.append(f"{error} {error!r}")
        error = error.__cause__ or error.__context__
    assert VALUE not in " ".join(shown)


def test_the_system_checks_show_no_key(settings):
    """Of a storage with a misspelt setting."""
    settings.STORAGES = {
        "default": {
            "BACKEND": "django_minio_backend.models.MinioBackend",
            "OPTIONS": {
                **{"MINIO_ENDPOINT": "127.0.0.1:1", "MINIO_USE_HTTPS": False, "MINIO_PRIVATE_BUCKETS": ["bucket"]},
                **{"MINIO_SECRETKEY": VALUE, "MINIO_SECRET_KEY": VALUE, "MINIO_ACCESS_KEY": VALUE},
            },
        },
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    messages = run_checks()
    assert messages
    assert VALUE not in " ".join(f"{message} {message!r}" for message in messages)
