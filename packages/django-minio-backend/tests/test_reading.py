"""Objects as files: positions, lines, reopening."""

import gc
import os
import sys

import pytest
from django.core.files.base import ContentFile

from django_minio_backend.models import S3File


@pytest.fixture
def content():
    return os.urandom(300_000)


@pytest.fixture
def file(storage, content):
    with storage.open(storage.save("f.bin", ContentFile(content))) as opened:
        yield opened


def test_it_is_a_django_file(file):
    """open() returns an S3File with name, mode and size, true as any named file is."""
    assert isinstance(file, S3File) and file
    assert (file.name, file.mode, file.size, len(file)) == ("f.bin", "rb", 300_000, 300_000)
    assert file.readable() and file.seekable() and not file.writable()


def test_reading_piecewise_gives_the_whole(file, content):
    """Pieces of any size put together are the object."""
    pieces = [file.read(size) for size in (1, 10, 1000, 100_000, -1)]
    assert b"".join(pieces) == content and file.read() == b"" and file.read(10) == b""


@pytest.mark.parametrize(
    ("offset", "whence", "position"),
    [(100_000, os.SEEK_SET, 100_000), (-5, os.SEEK_END, 299_995), (50, os.SEEK_CUR, 60), (400_000, 0, 400_000)],
)
def test_any_position_can_be_read_from(file, content, offset, whence, position):
    """seek() counts from start, end or here; past the end there is nothing."""
    file.read(10)
    assert file.seek(offset, whence) == position == file.tell()
    assert file.read(20) == content[position : position + 20]


def test_a_position_before_the_start_is_refused(file):
    """A negative position is a ValueError, as for local files."""
    with pytest.raises(ValueError, match="before the start"):
        file.seek(-300_001, os.SEEK_END)


def test_readinto_fills_a_buffer(file, content):
    """readinto() reads into a buffer of the caller."""
    buffer = bytearray(1000)
    assert file.readinto(buffer) == 1000 and bytes(buffer) == content[:1000]


def test_lines_can_be_iterated(storage):
    """A file is iterated by lines, whatever their ending."""
    with storage.open(storage.save("lines", ContentFile(b"one\ntwo\r\nthree"))) as file:
        assert list(file) == [b"one\n", b"two\r\n", b"three"]
        file.seek(0)
        assert file.readline() == b"one\n" and file.readlines() == [b"two\r\n", b"three"]


def test_a_closed_file_can_be_opened_again(storage):
    """open() on an open file goes back to its start; on a closed one it fetches the object anew."""
    file = storage.open(storage.save("again", ContentFile(b"content")))
    assert file.read(3) == b"con" and file.open().read() == b"content"
    file.close()
    assert file.closed
    with pytest.raises(ValueError, match="closed"):
        file.read()
    assert file.open("rb").read() == b"content"
    file.close()
    with pytest.raises(ValueError, match="'w'"):
        file.open("w")


def test_an_empty_object_is_read_as_nothing(storage):
    """An empty object has no bytes, no lines, and size 0."""
    with storage.open(storage.save("empty", ContentFile(b""))) as file:
        assert file.size == 0 and file.read() == b"" and list(file) == []


def test_an_encoded_object_is_read_as_it_was_stored(make_storage):
    """Content-Encoding is for browsers: Django reads the bytes that were saved."""
    import gzip

    packed = gzip.compress(b"text" * 100)
    storage = make_storage(metadata={"Content-Encoding": "gzip"})
    with storage.open(storage.save("x.txt", ContentFile(packed))) as file:
        assert file.read() == packed and file.size == len(packed)


def test_closing_gives_the_connection_back(storage):
    """After small files were read or closed early, the pool opened no further connection."""
    name = storage.save("small", ContentFile(b"x" * 100))
    host, port = storage.options.get("MINIO_ENDPOINT").split(":")
    pool = storage.connection.pool.connection_from_host(host, int(port), "http")
    before = pool.num_connections
    for _ in range(5):
        with storage.open(name) as file:
            file.read(1)
        storage.open(name).read()
    assert pool.num_connections == before


def test_a_file_that_could_not_be_opened_is_collected_in_silence(storage, monkeypatch):
    """What is left of an opening that failed raises nothing more when Python collects it."""
    unraisable = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    with pytest.raises(FileNotFoundError):
        storage.open("missing")
    gc.collect()
    assert unraisable == []
