"""clean_orphaned_minio_files deletes what no row refers to, and nothing else."""

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import call_command
from library.models import Document

pytestmark = pytest.mark.django_db


@pytest.fixture
def media(configure):
    configure()
    return storages["default"]


def clean(**options):
    call_command("clean_orphaned_minio_files", **{"min_age": 0, **options})


def test_referred_files_stay_and_others_go(media):
    """The file of a row stays; an object without a row is deleted."""
    kept = Document.objects.create(file=ContentFile(b"kept", "kept.txt"))
    media.save("documents/orphan.txt", ContentFile(b"orphan"))
    clean()
    assert media.listdir("documents") == ([], [kept.file.name.removeprefix("documents/")])


def test_a_dry_run_deletes_nothing(media, capsys):
    """--dry-run only names what would go."""
    media.save("orphan.txt", ContentFile(b"x"))
    clean(dry_run=True)
    assert "Would delete" in capsys.readouterr().out and media.exists("orphan.txt")


def test_young_objects_are_left_alone(media):
    """By default an object younger than an hour stays: its row may not be committed yet."""
    media.save("young.txt", ContentFile(b"x"))
    call_command("clean_orphaned_minio_files")
    assert media.exists("young.txt")


def test_a_bucket_without_a_field_is_never_emptied(media, make_storage, new_bucket, configure, s3_bucket):
    """Declared buckets that no FileField stores in are not looked at."""
    other = new_bucket()
    configure(MINIO_PRIVATE_BUCKETS=[s3_bucket, other])
    storage = make_storage(other)
    storage.check_bucket_existence()
    storage.save("precious.txt", ContentFile(b"x"))
    clean()
    assert storage.exists("precious.txt")


def test_prefix_and_bucket_narrow_the_search(media, s3_bucket, capsys):
    """--prefix limits the objects, --bucket the buckets."""
    for name in ("a/1", "b/1"):
        media.save(name, ContentFile(b"x"))
    clean(prefix="a/", bucket=[s3_bucket])
    assert not media.exists("a/1") and media.exists("b/1")
    clean(bucket=["another"])
    assert media.exists("b/1") and "nothing to clean" in capsys.readouterr().out


def test_rows_without_an_object_are_named(media, capsys):
    """--check-missing names the files that rows refer to and that do not exist."""
    Document.objects.create(file="documents/lost.txt")
    clean(check_missing=True)
    assert "documents/lost.txt" in capsys.readouterr().out


def test_a_file_field_saves_and_deletes(media):
    """A FileField stores, reads, links and deletes through the storage."""
    document = Document.objects.create(file=ContentFile("text ✓", "a b.txt"))
    loaded = Document.objects.get()
    assert loaded.file.name == "documents/a_b.txt" and loaded.file.size == len("text ✓".encode())
    assert loaded.file.read() == "text ✓".encode() and "X-Amz-Signature" in loaded.file.url
    loaded.file.close()
    document.file.delete()
    assert not media.exists("documents/a_b.txt")


def test_uploads_that_wait_for_their_form_stay(configure):
    """What lies below MINIO_INCOMING_PREFIX is for the bucket's lifecycle to remove."""
    configure(MINIO_INCOMING_PREFIX="incoming/")
    media = storages["default"]
    for name in ("incoming/waiting", "orphan"):
        media.save(name, ContentFile(b"x"))
    clean()
    assert media.exists("incoming/waiting") and not media.exists("orphan")
