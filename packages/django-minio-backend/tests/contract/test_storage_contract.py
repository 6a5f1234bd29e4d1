"""What Django promises about storages, on a real S3 server."""

import datetime as dt
import gzip
import io
import os
import pathlib
import tempfile
from urllib.request import urlopen

import pytest
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile, File
from django.core.files.uploadedfile import InMemoryUploadedFile, SimpleUploadedFile, TemporaryUploadedFile
from minio.error import S3Error

SECONDS = dt.timedelta(seconds=2)
"""How far S3's times, which are whole seconds, may lie off."""


def read(storage, name):
    with storage.open(name) as file:
        return file.read()


def test_what_was_saved_can_be_read(storage):
    """A saved file exists, has its size and its content, and is gone after delete()."""
    name = storage.save("folder/report.bin", ContentFile(b"\x00\xff" * 500))
    assert name == "folder/report.bin"
    assert storage.exists(name)
    assert storage.size(name) == 1000
    assert read(storage, name) == b"\x00\xff" * 500
    assert storage.delete(name) is None
    assert not storage.exists(name)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (lambda: ContentFile("Ünïcode text"), "Ünïcode text".encode()),
        (lambda: ContentFile(""), b""),
        (lambda: ContentFile(b""), b""),
        (lambda: io.StringIO("a line\nanother ✓"), "a line\nanother ✓".encode()),
        (lambda: io.BytesIO(b"raw bytes"), b"raw bytes"),
        (lambda: File(io.BytesIO(b"wrapped")), b"wrapped"),
        (lambda: SimpleUploadedFile("x", b"uploaded", "text/plain"), b"uploaded"),
        (lambda: gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(b"unpacked"))), b"unpacked"),
    ],
    ids=["text", "empty-text", "empty", "stringio", "bytesio", "file", "uploaded", "gzip"],
)
def test_any_kind_of_content_is_stored_whole(storage, content, expected):
    """Text is stored as UTF-8, and everything else as its bytes."""
    name = storage.save("content", content())
    assert read(storage, name) == expected
    assert storage.size(name) == len(expected)


def test_content_is_stored_from_its_start_wherever_its_position_is(storage):
    """A file that was read before it is saved is still stored whole."""
    content = ContentFile(b"0123456789")
    content.read(5)
    assert read(storage, storage.save("rewound", content)) == b"0123456789"


def test_content_stays_open_after_a_save(storage):
    """The caller owns the content: it can still be read after the save."""
    content = ContentFile(b"mine")
    storage.save("kept-open", content)
    content.seek(0)
    assert content.read() == b"mine"


def test_unseekable_content_is_stored_whole(storage):
    """A pipe is read once, to its end."""
    read_end, write_end = os.pipe()
    with os.fdopen(write_end, "wb") as writer:
        writer.write(b"through a pipe")
    with os.fdopen(read_end, "rb") as reader:
        assert read(storage, storage.save("piped", File(reader, "piped"))) == b"through a pipe"


def test_an_http_answer_can_be_saved(storage):
    """What urlopen() returns is stored as it is."""
    first = storage.save("origin", ContentFile(b"over http"))
    with urlopen(storage.url(first)) as answer:
        assert read(storage, storage.save("copy", File(answer, "copy"))) == b"over http"


def test_overridden_chunks_are_what_is_stored(storage):
    """A content class decides by its chunks() what is stored."""

    class Shouting(ContentFile):
        def chunks(self, chunk_size=None):
            for chunk in super().chunks(chunk_size):
                yield chunk.upper()

    assert read(storage, storage.save("chunks", Shouting(b"quiet"))) == b"QUIET"


def test_failing_chunks_store_nothing(storage):
    """An error while the content is read reaches the caller, and no object appears."""

    class Broken(ContentFile):
        def chunks(self, chunk_size=None):
            yield b"a beginning"
            raise RuntimeError("the upload stopped")

    with pytest.raises(RuntimeError, match="the upload stopped"):
        storage.save("broken", Broken(b""))
    assert not storage.exists("broken")


def test_uploaded_files_of_both_sizes_are_stored(storage):
    """Uploads that Django keeps in memory and those it keeps on disk are stored alike."""
    small = InMemoryUploadedFile(io.BytesIO(b"small"), None, "s.txt", "text/plain", 5, None)
    large = TemporaryUploadedFile("l.bin", "application/octet-stream", 3_000_000, None)
    large.write(b"x" * 3_000_000)
    assert read(storage, storage.save("s.txt", small)) == b"small"
    assert storage.size(storage.save("l.bin", large)) == 3_000_000


def test_a_local_file_in_text_mode_is_stored_as_utf_8(storage, tmp_path):
    """open(path) without "b" can be saved too."""
    path = tmp_path / "text.txt"
    path.write_text("žluťoučký", encoding="utf-8")
    with path.open(encoding="utf-8") as file:
        name = storage.save("text.txt", File(file))
    assert read(storage, name) == "žluťoučký".encode()


def test_a_taken_name_gets_an_addition(storage):
    """Saving a second file of one name keeps both."""
    first = storage.save("dir/same.txt", ContentFile(b"first"))
    second = storage.save("dir/same.txt", ContentFile(b"second"))
    assert first == "dir/same.txt"
    assert second.startswith("dir/same_") and second.endswith(".txt")
    assert (read(storage, first), read(storage, second)) == (b"first", b"second")


def test_the_addition_goes_before_all_suffixes(storage):
    """A name such as x.tar.gz keeps its whole ending."""
    storage.save("x.tar.gz", ContentFile(b"1"))
    second = storage.save("x.tar.gz", ContentFile(b"2"))
    assert second.startswith("x_") and second.endswith(".tar.gz")


def test_replace_existing_keeps_the_name(make_storage):
    """With replace_existing the second file takes the place of the first."""
    storage = make_storage(replace_existing=True)
    assert storage.save("same", ContentFile(b"first")) == "same"
    assert storage.save("same", ContentFile(b"second")) == "same"
    assert read(storage, "same") == b"second"


def test_names_are_cut_to_max_length(storage):
    """A name longer than max_length is shortened, its suffix kept."""
    name = storage.save("a" * 100 + ".txt", ContentFile(b"x"), max_length=50)
    assert len(name) <= 50 and name.endswith(".txt")


def test_a_taken_name_at_max_length_is_cut_again(storage):
    """The addition to a taken name stays within max_length."""
    first = storage.save("b" * 20, ContentFile(b"1"), max_length=20)
    second = storage.save("b" * 20, ContentFile(b"2"), max_length=20)
    assert first == "b" * 20
    assert len(second) <= 20 and second != first


def test_names_are_cut_with_replace_existing_too(make_storage):
    """replace_existing does not lift the limit; a name is cut without an addition, so that it is replaced next time."""
    storage = make_storage(replace_existing=True)
    names = [storage.save("c" * 60 + ".txt", ContentFile(content), max_length=30) for content in (b"1", b"2")]
    assert names == ["c" * 26 + ".txt"] * 2
    assert read(storage, names[0]) == b"2"


def test_a_name_without_room_is_refused(storage):
    """If not even the addition fits, SuspiciousFileOperation says that max_length is too small."""
    with pytest.raises(SuspiciousFileOperation, match="max_length"):
        storage.save("d" * 20 + ".txt", ContentFile(b"x"), max_length=5)


def test_get_available_name_looks_at_the_server(storage):
    """Outside of a save, get_available_name() asks whether the name is taken."""
    storage.save("taken.txt", ContentFile(b"x"))
    assert storage.get_available_name("free.txt") == "free.txt"
    assert storage.get_available_name("taken.txt") != "taken.txt"
    assert not storage.is_name_available("taken.txt")


@pytest.mark.parametrize("name", ["../up", "a/../../up", "/etc/passwd", "a/..", "..", "C:\\..\\x", "nul\0"])
def test_names_that_leave_the_bucket_are_refused(storage, name):
    """A name that climbs out or is absolute is refused by every method."""
    with pytest.raises(SuspiciousFileOperation):
        storage.save(name, ContentFile(b"x"))
    for method in (storage.open, storage.exists, storage.size, storage.delete, storage.url, storage.stat):
        with pytest.raises(SuspiciousFileOperation):
            method(name)


def test_names_of_saves_under_way_are_not_for_files(storage):
    """A file cannot be stored where the storage keeps its claims, and where clean_orphaned_minio_files removes them."""
    with pytest.raises(SuspiciousFileOperation, match="save-claims"):
        storage.save(".save-claims/mine", ContentFile(b"x"))


@pytest.mark.parametrize("name", ["../up", "a/../../up"])
def test_traversal_is_refused_with_replace_existing(make_storage, name):
    """replace_existing does not weaken the check of names."""
    with pytest.raises(SuspiciousFileOperation):
        make_storage(replace_existing=True).get_available_name(name)


@pytest.mark.parametrize("name", ["", None])
def test_an_empty_name_is_refused(storage, name):
    """Methods that need a name say so with ValueError, as Django's own storages do for delete()."""
    for method in (storage.delete, storage.exists, storage.url, storage.size):
        with pytest.raises(ValueError, match="name"):
            method(name)


@pytest.mark.parametrize(
    ("given", "stored"),
    [("a//b.txt", "a/b.txt"), ("./c.txt", "c.txt"), ("d\\e.txt", "d/e.txt"), ("f/./g.txt", "f/g.txt")],
)
def test_all_methods_read_a_name_alike(storage, given, stored):
    """Doubled slashes, dots and backslashes mean the same object to every method."""
    assert storage.save(given, ContentFile(b"x")) == stored
    assert storage.exists(given) and storage.size(given) == 1 and read(storage, given) == b"x"
    assert storage.url(given).partition("?")[0] == storage.url(stored).partition("?")[0]


@pytest.mark.parametrize(
    "name", ["sp ace", "ünï", "100%", "ha#sh", "qu?estion", "pl+us", "a&b=c", "'q\"", "~t", "日本/語"]
)
def test_odd_names_work_everywhere(storage, anonymous, name):
    """Any printable name can be saved, found, listed, read, linked to and deleted."""
    assert storage.save(name, ContentFile(name.encode())) == name
    assert storage.exists(name) and read(storage, name) == name.encode()
    assert anonymous(storage.url(name)) == (200, name.encode())
    folder, _, base = name.rpartition("/")
    assert base in storage.listdir(folder)[1]
    storage.delete(name)
    assert not storage.exists(name)


def test_paths_can_be_given_as_path_objects(storage):
    """pathlib paths are names too."""
    name = storage.save(pathlib.PurePosixPath("p/q.txt"), ContentFile(b"x"))
    path = pathlib.PurePosixPath(name)
    assert storage.exists(path) and storage.size(path) == 1 and storage.listdir(path.parent) == ([], ["q.txt"])
    assert storage.url(path).startswith("http")
    storage.delete(path)
    assert not storage.exists(name)


def test_a_missing_file_is_both_errors(storage):
    """Opening, measuring or dating a missing file raises FileNotFoundError that is also the SDK's S3Error."""
    for method in (storage.open, storage.size, storage.get_modified_time, storage.stat):
        with pytest.raises(FileNotFoundError) as caught:
            method("nothing-here")
        assert isinstance(caught.value, S3Error)
        assert caught.value.code == "NoSuchKey"
        assert "nothing-here" in str(caught.value)


def test_deleting_a_missing_file_is_fine(storage):
    """delete() of a name that does not exist returns silently."""
    assert storage.delete("nothing-here") is None


def test_listdir_separates_folders_and_files(storage):
    """listdir() names what is directly below, like a directory listing."""
    for name in ["top.txt", "one/a.txt", "one/b.txt", "one/deep/c.txt", "two/d.txt"]:
        storage.save(name, ContentFile(b"x"))
    for root in ("", "/", "."):
        assert storage.listdir(root) == (["one", "two"], ["top.txt"])
    for folder in ("one", "one/"):
        assert storage.listdir(folder) == (["deep"], ["a.txt", "b.txt"])
    assert storage.listdir() == storage.listdir("")
    assert storage.listdir("nowhere") == ([], [])
    assert storage.listdir("one", recursive=True) == ([], ["a.txt", "b.txt", "deep/c.txt"])


def test_times_are_aware_with_use_tz(storage, settings):
    """With USE_TZ the modification time is aware and in UTC."""
    settings.USE_TZ = True
    before = dt.datetime.now(dt.UTC)
    modified = storage.get_modified_time(storage.save("t", ContentFile(b"x")))
    assert modified.utcoffset() == dt.timedelta(0)
    assert before - SECONDS <= modified <= dt.datetime.now(dt.UTC) + SECONDS


def test_times_are_local_without_use_tz(storage, settings):
    """Without USE_TZ the modification time is naive and in the local time zone, as for local files."""
    settings.USE_TZ = False
    settings.TIME_ZONE = "Asia/Tokyo"
    before = dt.datetime.now()  # noqa: DTZ005  the naive local time is the point
    modified = storage.get_modified_time(storage.save("t", ContentFile(b"x")))
    assert modified.tzinfo is None
    assert -SECONDS <= modified - before <= dt.datetime.now() - before + SECONDS  # noqa: DTZ005


@pytest.mark.parametrize("method", ["path", "get_accessed_time", "get_created_time"])
def test_what_s3_cannot_tell_is_not_implemented(storage, method):
    """Local paths, access times and creation times do not exist on S3."""
    with pytest.raises(NotImplementedError):
        getattr(storage, method)("x")


@pytest.mark.parametrize("mode", ["r", "wb", "w", "ab", "r+b"])
def test_files_open_for_binary_reading_only(storage, mode):
    """Any mode but "rb" is a ValueError that names it."""
    storage.save("m", ContentFile(b"x"))
    with pytest.raises(ValueError, match=f"'{mode}'".replace("+", r"\+")):
        storage.open("m", mode)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.html", ContentFile(b"x"), "text/html"),
        ("a.png", SimpleUploadedFile("a.png", b"x", "image/x-special"), "image/x-special"),
        ("a.unknown-ending", ContentFile(b"x"), "application/octet-stream"),
        ("a.tar.gz", ContentFile(b"x"), "application/gzip"),
    ],
)
def test_the_content_type_is_stored(storage, name, content, expected):
    """The type the content says it has wins, then the name's, then application/octet-stream."""
    assert storage.stat(storage.save(name, content)).content_type == expected


def test_metadata_and_cache_headers_are_stored(make_storage):
    """Standard headers in `metadata` are stored as headers, everything else as user metadata."""
    storage = make_storage(metadata={"Cache-Control": "max-age=60", "Author": "Grace"})
    found = storage.stat(storage.save("m.txt", ContentFile(b"x"))).metadata
    lowered = {key.lower(): value for key, value in found.items()}
    assert lowered["cache-control"] == "max-age=60"
    assert lowered["x-amz-meta-author"] == "Grace"


def test_metadata_outside_of_ascii_is_refused(make_storage):
    """Header values that HTTP cannot carry are refused before anything is sent."""
    with pytest.raises(ValueError, match="author"):
        make_storage(metadata={"author": "Gräce"}).save("m", ContentFile(b"x"))


@pytest.mark.parametrize("name", ["a b", "a\r\nHost", "a:b", "", "ü"])
def test_impossible_names_of_metadata_are_refused(make_storage, name):
    """What HTTP cannot carry as a header's name is refused before anything is sent."""
    with pytest.raises(ValueError, match="name of metadata"):
        make_storage(metadata={name: "x"}).save("m", ContentFile(b"x"))


def test_tags_are_stored(make_storage, sdk, s3_bucket):
    """Tags given to the storage are on the object."""
    from minio.commonconfig import Tags

    tags = Tags(for_object=True)
    tags["kind"] = "a b"
    name = make_storage(tags=tags).save("tagged", ContentFile(b"x"))
    assert dict(sdk.get_object_tags(s3_bucket, name)) == {"kind": "a b"}


def test_stat_describes_the_object(storage):
    """stat() returns the SDK's Object with size, etag and modification time."""
    found = storage.stat(storage.save("s", ContentFile(b"12345")))
    assert (found.size, found.object_name) == (5, "s")
    assert found.etag and found.last_modified.tzinfo


def test_a_subclass_may_choose_its_names(make_storage):
    """A subclass whose get_available_name() returns a taken name replaces the file, as with Django's storages."""
    from django_minio_backend import MinioBackend

    class Overwriting(MinioBackend):
        def get_available_name(self, name, max_length=None):
            return name

    storage = make_storage(cls=Overwriting)
    assert storage.save("o", ContentFile(b"1")) == storage.save("o", ContentFile(b"2")) == "o"
    assert read(storage, "o") == b"2"


def test_a_file_of_several_megabytes_arrives_unchanged(storage):
    """A large file is stored and read back byte for byte, from disk and in chunks."""
    with tempfile.TemporaryFile() as file:
        blocks = [os.urandom(1024 * 1024) for _ in range(6)]
        file.write(b"".join(blocks))
        name = storage.save("large", File(file, "large"))
    assert b"".join(storage.open(name).chunks()) == b"".join(blocks)
