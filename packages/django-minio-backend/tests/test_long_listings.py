"""Listings that the server cuts into pages: 1,000 entries each, which S3 allows at most, or one where that shows the same."""

import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import call_command
from minio.deleteobjects import DeleteObject

from django_minio_backend import MinioBackendStatic

pytestmark = pytest.mark.django_db
"""Of all, though not all need it: tests with a database come first, and the long bucket would be made twice."""

FILES = {f"{number:04}.txt" for number in range(1001)}
FOLDERS = {f"{number:04}" for number in (0, 500, 999, 1000)}
"""They stand between the files: the last two on the second page."""


@pytest.fixture(scope="module")
def long_bucket(s3_service, sdk):
    """A bucket with 1,001 files in a folder and four folders between them, each with one file."""
    bucket = s3_service.create_bucket()
    names = [*FILES, *(f"{folder}/deep" for folder in FOLDERS)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: sdk.put_object(bucket, f"long/{name}", io.BytesIO(b"x"), 1), names))
    yield bucket
    list(sdk.remove_objects(bucket, [DeleteObject(f"long/{name}") for name in names]))
    s3_service.drop_bucket(bucket)


@pytest.fixture
def long_storage(make_storage, long_bucket, proxy):
    return make_storage(long_bucket, MINIO_ENDPOINT=proxy.endpoint)


def test_a_folder_of_more_than_a_page_is_listed_whole(long_storage, proxy):
    """listdir() of 1,005 entries names each file and each folder once, in order, with a request per 1,000 entries."""
    assert long_storage.listdir("long") == (sorted(FOLDERS), sorted(FILES))
    assert proxy.methods == ["GET", "GET"]


def test_everything_below_a_folder_is_listed(long_storage, proxy):
    """So does a listing of all names below, however deep."""
    below = FILES | {f"{folder}/deep" for folder in FOLDERS}
    assert long_storage.listdir("long", recursive=True) == ([], sorted(below))
    assert proxy.methods == ["GET", "GET"]


def test_collectstatic_knows_a_large_bucket(make_storage, long_bucket, proxy):
    """Filling a bucket of more than 1,000 objects asks for two pages, and then knows each object without a request."""
    storage = make_storage(cls=MinioBackendStatic, MINIO_ENDPOINT=proxy.endpoint, MINIO_STATIC_FILES_BUCKET=long_bucket)
    with storage.collecting():
        assert all(storage.holds(f"long/{name}", io.BytesIO(b"x")) for name in FILES)
        assert not storage.holds("long/1001.txt", io.BytesIO(b"x"))
    assert proxy.methods == ["GET", "GET"]


def test_orphans_are_looked_for_on_every_page(configure, long_bucket, capsys):
    """clean_orphaned_minio_files looks at all objects of a large bucket."""
    configure(MINIO_DEFAULT_BUCKET=long_bucket, MINIO_PRIVATE_BUCKETS=[long_bucket])
    call_command("clean_orphaned_minio_files", dry_run=True, min_age=0)
    said = capsys.readouterr().out.splitlines()
    assert {f"Would delete: {long_bucket}/long/{name}" for name in FILES} <= set(said)
    assert len(said) == len(FILES) + len(FOLDERS)


@pytest.fixture
def short_pages(proxy, configure, s3_bucket):
    """A storage of media and one of static files, both on a server that lists one entry a page, with three files."""
    static = {"MINIO_STATIC_FILES_BUCKET": s3_bucket, "MINIO_ENDPOINT": proxy.endpoint}
    configure(static, MINIO_ENDPOINT=proxy.endpoint)
    for name in ("a", "b/c", "d"):
        storages["default"].save(name, ContentFile(b"x"))
    proxy.fault = lambda request: "short pages" if request.command == "GET" else None


def test_orphans_of_every_page_are_deleted(short_pages, proxy):
    """Deleting what is listed does not hide what comes on later pages."""
    proxy.reset()
    call_command("clean_orphaned_minio_files", min_age=0, verbosity=0)
    assert proxy.methods == ["GET"] * 3 + ["DELETE"] * 3
    assert storages["default"].listdir("", recursive=True) == ([], [])


def test_every_page_is_cleared(short_pages, proxy, settings):
    """collectstatic --clear deletes what is on all pages, and then looks again."""
    settings.STATICFILES_FINDERS = []
    proxy.reset()
    call_command("collectstatic", interactive=False, clear=True, verbosity=0)
    assert proxy.methods == ["GET"] * 3 + ["DELETE"] * 3 + ["GET"]
    assert storages["default"].listdir("", recursive=True) == ([], [])
