"""What `manage.py check` says where an entry of STORAGES receives uploads."""

import pytest

from django_minio_backend.uploads.checks import check_uploads

DECLARED = {
    "cors": [{"origins": ["https://a.example"], "methods": ["POST", "PUT"], "headers": ["*"]}],
    "lifecycle": [{"prefix": "incoming/", "expire_days": 2, "abort_uploads_days": 2}],
}


@pytest.fixture
def found(configure, s3_bucket):
    """A function: the ids of what the check finds for a bucket with this declaration."""

    def found(declared=DECLARED, **options):
        configure(**{"MINIO_INCOMING_PREFIX": "incoming/", "MINIO_BUCKETS": {s3_bucket: declared}, **options})
        return [message.id.rpartition(".")[2] for message in check_uploads(None)]

    return found


def test_all_that_is_needed_is_enough(found):
    """With middleware, addresses, CORS and lifecycle nothing is said."""
    assert found() == []


def test_nothing_is_needed_where_nothing_is_received(found, settings):
    """Without MINIO_INCOMING_PREFIX a project needs none of it."""
    settings.MIDDLEWARE = []
    assert found({}, MINIO_INCOMING_PREFIX="") == []


def test_missing_parts_of_the_project_are_errors(found, settings):
    """Without the middleware or the addresses no upload can work."""
    settings.MIDDLEWARE = []
    settings.ROOT_URLCONF = "django.conf.urls.i18n"
    assert found() == ["E003", "E004"]


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        ({"cors": []}, "W003"),
        ({"cors": [{"origins": ["https://a.example"], "methods": ["POST"]}]}, "W003"),
        ({"lifecycle": []}, "W004"),
        ({"lifecycle": [{"prefix": "incoming/", "expire_days": 2}]}, "W004"),
        ({"lifecycle": [{"prefix": "other/", "expire_days": 2, "abort_uploads_days": 2}]}, "W004"),
    ],
)
def test_what_the_bucket_lacks_is_a_warning(found, change, warning):
    """CORS for both ways of sending, and a lifecycle for both kinds of leavings, have to be declared."""
    assert found({**DECLARED, **change}) == [warning]


def test_a_public_bucket_is_a_warning(found, s3_bucket):
    """What waits for its form should not be readable by its address."""
    assert found(MINIO_PUBLIC_BUCKETS=[s3_bucket], MINIO_PRIVATE_BUCKETS=[]) == ["W005"]


@pytest.mark.parametrize("prefix", ["incoming", "/incoming/", "a/../b/", "/", 5])
def test_a_prefix_that_is_none_is_refused(found, prefix, s3_bucket, settings):
    """A prefix ends with a slash and stays inside the bucket; the check of the settings names it."""
    from django_minio_backend.checks import check_settings

    assert found(MINIO_INCOMING_PREFIX=prefix) == []
    assert any("MINIO_INCOMING_PREFIX" in message.msg for message in check_settings(None))
