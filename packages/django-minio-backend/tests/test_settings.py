"""Where settings come from, and what is said about wrong ones."""

import logging
from datetime import timedelta

import pytest
from django.apps import apps
from django.core.checks import run_checks

from django_minio_backend import MinioBackend, MinioBackendStatic
from django_minio_backend.utils import (
    ConfigurationError,
    PrivatePublicMixedError,
    get_setting,
    get_storages_setting,
)

LEGACY = {
    "MINIO_ENDPOINT": "localhost:9000",
    "MINIO_ACCESS_KEY": "access",
    "MINIO_SECRET_KEY": "secret",
    "MINIO_USE_HTTPS": False,
    "MINIO_PRIVATE_BUCKETS": ["old-private"],
    "MINIO_PUBLIC_BUCKETS": ["old-public"],
}


@pytest.fixture
def legacy(settings):
    """Global settings only, as the 3.x releases are configured."""
    for name, value in LEGACY.items():
        setattr(settings, name, value)
    return settings


def ready():
    return apps.get_app_config("django_minio_backend").ready()


def test_keyword_beats_options_beats_global_beats_default(configure, settings):
    """Each setting is looked up as keyword, in OPTIONS, as global setting, as default, in this order."""
    configure(MINIO_READ_TIMEOUT=20.0)
    settings.MINIO_READ_TIMEOUT = 10.0
    settings.MINIO_CONNECT_TIMEOUT = 2.0
    storage = MinioBackend(MINIO_USE_HTTPS=True)
    assert storage.options.get("MINIO_USE_HTTPS") is True
    assert storage.options.get("MINIO_READ_TIMEOUT") == 20.0
    assert storage.options.get("MINIO_CONNECT_TIMEOUT") == 2.0
    assert storage.options.get("MINIO_RETRIES") == 3


def test_global_settings_alone_are_enough(legacy):
    """A project configured for the 3.x releases works as it is."""
    private, public = MinioBackend(bucket_name="old-private"), MinioBackend(bucket_name="old-public")
    assert (private.is_bucket_public, public.is_bucket_public) == (False, True)
    assert public.url("a b.txt") == "http://localhost:9000/old-public/a%20b.txt"
    assert MinioBackend().bucket == MinioBackend.DEFAULT_MEDIA_FILES_BUCKET
    assert ready() is True


def test_the_old_name_of_the_default_bucket_works(legacy):
    """MINIO_MEDIA_FILES_BUCKET means MINIO_DEFAULT_BUCKET, and the class has it too, as in the 3.x releases."""
    legacy.MINIO_MEDIA_FILES_BUCKET = "old-private"
    assert MinioBackend().bucket == MinioBackend().MINIO_MEDIA_FILES_BUCKET == "old-private"
    assert MinioBackend.MINIO_MEDIA_FILES_BUCKET == "old-private"
    assert MinioBackend.MINIO_STATIC_FILES_BUCKET == MinioBackend.DEFAULT_STATIC_FILES_BUCKET


def test_an_undeclared_bucket_is_refused_with_global_settings(legacy):
    """With global settings an undeclared bucket is a ConfigurationError that names it."""
    with pytest.raises(ConfigurationError, match="undeclared"):
        MinioBackend(bucket_name="undeclared")


def test_an_undeclared_bucket_is_private_with_options(configure, caplog):
    """With OPTIONS an undeclared bucket is treated as private, with a warning that names it."""
    configure()
    with caplog.at_level(logging.WARNING, "django_minio_backend.models"):
        assert not MinioBackend("undeclared").is_bucket_public
    assert "undeclared" in caplog.text


def test_a_bucket_declared_twice_is_refused(configure):
    """A bucket in both lists is a PrivatePublicMixedError that names it."""
    configure(MINIO_PUBLIC_BUCKETS=["twice"], MINIO_PRIVATE_BUCKETS=["twice"])
    with pytest.raises(PrivatePublicMixedError, match="twice"):
        MinioBackend("twice")


def test_an_unknown_alias_is_a_key_error(configure):
    """A storage_name that STORAGES does not have is a KeyError, as in Django."""
    configure()
    with pytest.raises(KeyError, match="nowhere"):
        MinioBackend("x", storage_name="nowhere")


def test_all_problems_are_named_at_once(settings):
    """Whatever is missing or wrong is listed in one ConfigurationError."""
    options = {
        "MINIO_ENDPOINT": "http://minio:9000/path",
        "MINIO_EXTERNAL_ENDPOINT": "cdn.example.org",
        "MINIO_URL_EXPIRY_HOURS": "7 days",
        "MINIO_CONNECT_TIMEOUT": 0,
    }
    settings.STORAGES = {"default": {"BACKEND": "django_minio_backend.models.MinioBackend", "OPTIONS": options}}
    with pytest.raises(ConfigurationError) as caught:
        MinioBackend()
    for name in [*options, "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY", "MINIO_EXTERNAL_ENDPOINT_USE_HTTPS"]:
        assert name in str(caught.value)


def test_no_options_at_all_is_explained(settings):
    """An entry without OPTIONS is refused when Django starts, and the message says what to write."""
    settings.STORAGES = {"default": {"BACKEND": "django_minio_backend.models.MinioBackend"}}
    with pytest.raises(ConfigurationError, match="MINIO_ENDPOINT"):
        ready()
    with pytest.raises(ConfigurationError, match="MINIO_ENDPOINT"):
        MinioBackend()


def test_no_declared_bucket_is_refused(server_options):
    """A storage needs at least one bucket in the settings."""
    with pytest.raises(ConfigurationError, match="No bucket is declared"):
        MinioBackend("some", **server_options)


def test_lists_in_the_settings_are_never_changed(configure, settings):
    """Building storages leaves the lists of the settings as they were written."""
    configure(MINIO_PUBLIC_BUCKETS=["pub"])
    before = repr(settings.STORAGES["default"]["OPTIONS"]["MINIO_PRIVATE_BUCKETS"])
    for _ in range(3):
        storage = MinioBackend("pub")
        storage.PRIVATE_BUCKETS.append("added")
        storage.PUBLIC_BUCKETS.append("added")
    assert repr(settings.STORAGES["default"]["OPTIONS"]["MINIO_PRIVATE_BUCKETS"]) == before
    assert "added" not in storage.PUBLIC_BUCKETS


def test_a_string_in_place_of_a_list_is_refused(configure):
    """A bucket name where a list is needed is refused instead of being taken apart into letters."""
    configure(MINIO_PUBLIC_BUCKETS="pub")
    with pytest.raises(ConfigurationError, match="MINIO_PUBLIC_BUCKETS"):
        MinioBackend("pub")


def test_an_unknown_keyword_is_refused(make_storage):
    """A misspelt keyword is named, with what was probably meant."""
    with pytest.raises(ConfigurationError, match="replace_existing"):
        make_storage(replace_exsting=True)


@pytest.mark.parametrize("written", [timedelta(hours=2), 2, 2.0])
def test_the_expiry_may_be_hours_or_a_timedelta(make_storage, written):
    """MINIO_URL_EXPIRY_HOURS takes a timedelta, or a number of hours as its name says."""
    assert "X-Amz-Expires=7200" in make_storage(MINIO_URL_EXPIRY_HOURS=written).url("x")


@pytest.mark.parametrize(
    ("name", "backend", "alias"),
    [
        ("DEFAULT_FILE_STORAGE", "django_minio_backend.models.MinioBackend", "default"),
        ("STATICFILES_STORAGE", "django_minio_backend.models.MinioBackendStatic", "staticfiles"),
    ],
)
def test_settings_that_django_removed_are_explained(settings, name, backend, alias):
    """A removed setting that names a storage of ours is an error of `manage.py check` that shows the new form."""
    setattr(settings, name, backend)
    (error,) = [found for found in run_checks() if found.id == "django_minio_backend.E001"]
    assert name in error.msg and f'"{alias}"' in error.hint and backend in error.hint


def test_unknown_options_are_named_by_the_check(configure):
    """A misspelt MINIO_ setting in OPTIONS is a warning of `manage.py check` with what was probably meant."""
    configure(MINIO_PUBLIC_BUCKET=["x"])
    (warning,) = [found for found in run_checks() if found.id == "django_minio_backend.W001"]
    assert "MINIO_PUBLIC_BUCKETS" in warning.msg


def test_a_correct_project_passes_the_checks(configure):
    """With correct settings `manage.py check` has nothing to say."""
    configure(static={"MINIO_STATIC_FILES_BUCKET": "static"})
    assert [found for found in run_checks() if "minio" in str(found.id)] == []


def test_start_validates_all_entries(configure):
    """AppConfig.ready() refuses a wrong entry for static files too."""
    configure(static={"MINIO_EXTERNAL_ENDPOINT": "cdn.example.org"})
    with pytest.raises(ConfigurationError, match="both or neither"):
        ready()


def test_start_leaves_other_storages_alone(settings):
    """Entries of other packages, or none of ours, are fine."""
    settings.STORAGES = {"default": {"BACKEND": "django.core.files.storage.InMemoryStorage"}}
    assert ready() is True


def test_start_creates_buckets_if_asked(configure, new_bucket, sdk):
    """MINIO_CONSISTENCY_CHECK_ON_START runs what initialize_buckets does, for static files too."""
    private, static = new_bucket(), new_bucket()
    configure(
        static={"MINIO_STATIC_FILES_BUCKET": static, "MINIO_CONSISTENCY_CHECK_ON_START": True},
        MINIO_PRIVATE_BUCKETS=[private],
        MINIO_DEFAULT_BUCKET=private,
        MINIO_CONSISTENCY_CHECK_ON_START=True,
    )
    assert ready() is True
    assert sdk.bucket_exists(private) and sdk.bucket_exists(static)


def test_settings_can_be_looked_up(configure, settings):
    """get_setting() reads a global setting, get_storages_setting() one of OPTIONS."""
    configure()
    settings.MINIO_SOMETHING = 5
    assert (get_setting("MINIO_SOMETHING"), get_setting("MINIO_NOTHING", 7)) == (5, 7)
    assert get_storages_setting("MINIO_USE_HTTPS") is False
    assert get_storages_setting("MINIO_NOTHING", "staticfiles", 7) == 7


def test_the_static_storage_is_public_and_sends_nothing(server_options, proxy):
    """MinioBackendStatic is public without being declared, and building it makes no request."""
    options = {**server_options, "MINIO_ENDPOINT": proxy.endpoint}
    storage = MinioBackendStatic(**options, MINIO_STATIC_FILES_BUCKET="static")
    assert storage.is_bucket_public and storage.bucket == "static"
    assert storage.url("css/a.css") == f"http://{proxy.endpoint}/static/css/a.css"
    assert proxy.requests == []
    private = MinioBackendStatic(**options, MINIO_STATIC_FILES_BUCKET="st", MINIO_PRIVATE_BUCKETS=["st"])
    assert not private.is_bucket_public and "X-Amz-Signature" in private.url("a")
