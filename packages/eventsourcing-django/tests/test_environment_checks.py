"""System checks of applications' environments in Django's settings."""

import pytest
from django.core import checks
from eventsourcing.cipher import AESCipher

from eventsourcing_django.environment_checks import check_environments

OURS = {"PERSISTENCE_MODULE": "eventsourcing_django"}


def found(settings, environment, name="EVENT_SOURCING_APPLICATION"):
    """What the checks say of an environment, as `manage.py check` runs them."""
    setattr(settings, name, environment)
    return [message for message in checks.run_checks(databases=[]) if message.id in {_MISSPELT, _NO_DATABASE}]


_MISSPELT, _NO_DATABASE = "eventsourcing_django.W003", "eventsourcing_django.E001"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("CIPHER_TOPICS", "CIPHER_TOPIC"),
        ("CYPHER_KEY", "CIPHER_KEY"),
        ("cipher_key", "CIPHER_KEY"),
        ("DJANGO_DB_ALAIS", "DJANGO_DB_ALIAS"),
        ("IS_SNAPSHOTING_ENABLED", "IS_SNAPSHOTTING_ENABLED"),
        ("TRAININGSCHOOL_DJANGO_DBALIAS", "TRAININGSCHOOL_DJANGO_DB_ALIAS"),
        ("AGGREGATE_CACHE_MAX_SIZE", "AGGREGATE_CACHE_MAXSIZE"),
    ],
)
def test_a_misspelt_name_is_a_warning_that_says_what_was_meant(settings, name, meant):
    """Also where the application's name stands before it; the value is not shown."""
    (warning,) = found(settings, {**OURS, name: "hunter2-hunter2"})
    assert warning.id == _MISSPELT
    assert warning.msg == f"EVENT_SOURCING_APPLICATION[{name!r}] is not the name of anything that is read."
    assert warning.hint == f"Did you mean {meant!r}?"


def test_names_that_are_read_are_left_alone(settings):
    """The library's own, those of its other modules, a project's own names, and all of them with a prefix."""
    environment = {
        **OURS,
        "CIPHER_KEY": AESCipher.create_key(16),
        "CIPHER_TOPIC": "eventsourcing_django.cipher:KeyRingCipher",
        "CIPHER_ACCEPT_PLAINTEXT": "yes",
        "SCHOOL_COMPRESSOR_TOPIC": "zlib",
        "MAPPER_TOPIC": "",
        "IS_SNAPSHOTTING_ENABLED": "y",
        "SCHOOL_AGGREGATE_CACHE_MAXSIZE": "10",
        "POSTGRES_DBNAME": "events",
        "SQLITE_LOCK_TIMEOUT": "1",
        "GREETING": "hello",
    }
    assert found(settings, environment) == []


@pytest.mark.parametrize("name", ["DJANGO_DB_ALIAS", "SCHOOL_DJANGO_DB_ALIAS"])
def test_a_database_that_does_not_exist_is_an_error(settings, name):
    """It would be one at the application's first use; an alias that is empty leaves the choice to the routers."""
    (error,) = found(settings, {**OURS, name: "defualt"})
    assert error.id == _NO_DATABASE
    assert error.level == checks.ERROR
    assert error.msg == f"EVENT_SOURCING_APPLICATION[{name!r}] is 'defualt', which is not in DATABASES."
    assert error.hint == "Did you mean 'default'?"
    (error,) = found(settings, {**OURS, name: "warehouse"})
    assert error.hint.startswith("Use one of: default")
    assert found(settings, {**OURS, name: ""}) == found(settings, {**OURS, name: "default"}) == []


def test_environments_under_other_names_are_found_by_their_module(settings):
    """A project with two applications has two settings; dictionaries of others are not looked at."""
    assert found(settings, {**OURS, "CIPHER_KEYS": ""}, "BILLING_EVENTS")[0].msg.startswith("BILLING_EVENTS[")
    assert found(settings, {"BILLING_PERSISTENCE_MODULE": "eventsourcing_django", "CIPHER_KEYS": ""}, "BILLING_EVENTS")
    assert found(settings, {"PERSISTENCE_MODULE": "eventsourcing.postgres", "CIPHER_KEYS": ""}, "BILLING_EVENTS") == []
    assert found(settings, {"CIPHER_KEYS": ""}, "BILLING_EVENTS") == []


def test_a_project_without_such_a_setting_hears_nothing():
    """Environment variables are many, and mostly of others."""
    assert check_environments() == []


@pytest.mark.filterwarnings("error")
def test_settings_that_the_project_does_not_have_are_not_read(settings):
    """Reading some of Django's defaults is deprecated, and the project can do nothing about it."""
    settings.EVENT_SOURCING_APPLICATION = OURS  # has Django forget what it has read and warned of
    assert check_environments() == []
