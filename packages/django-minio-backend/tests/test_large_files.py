"""Files in parts, and how much memory a save and a read take."""

import os
import subprocess
import sys
import textwrap

import pytest
from django.core.files.base import ContentFile, File
from minio.error import S3Error

from django_minio_backend.multipart import Parts

MIB = 1024 * 1024


@pytest.fixture
def in_parts(make_storage, proxy):
    """A storage that cuts files of 6 MiB or more into parts of 5 MiB."""

    def make(**kwargs):
        return make_storage(
            MINIO_ENDPOINT=proxy.endpoint,
            MINIO_CONDITIONAL_WRITES=True,
            MINIO_MULTIPART_UPLOAD=True,
            MINIO_MULTIPART_THRESHOLD=6 * MIB,
            MINIO_MULTIPART_PART_SIZE=5 * MIB,
            **kwargs,
        )

    return make


@pytest.mark.parametrize("parallel", [1, 3])
def test_a_file_arrives_whole_in_parts(in_parts, proxy, parallel):
    """Above the threshold a file is uploaded in parts, one after the other or several at a time."""
    content = os.urandom(12 * MIB)
    storage = in_parts(num_parallel_uploads=parallel, metadata={"author": "grace"})
    name = storage.save("parts.bin", ContentFile(content))
    assert storage.open(name).read() == content
    assert storage.stat(name).metadata["x-amz-meta-author"] == "grace"
    assert proxy.methods[:2] == ["HEAD", "POST"] and proxy.methods.count("PUT") == 3


def test_a_taken_name_is_kept_in_parts_too(in_parts):
    """A name that is taken before the upload, or becomes so during it, is left alone."""
    storage = in_parts()
    storage.save("taken", ContentFile(b"small"))
    content = os.urandom(7 * MIB)
    name = storage.save("taken", ContentFile(content))
    assert name != "taken" and storage.open("taken").read() == b"small" and storage.open(name).read() == content


def test_a_name_taken_during_the_upload_is_kept(in_parts, proxy, make_storage, completes_conditionally):
    """If another save takes the name while parts are on their way, both files are kept."""
    storage, other = in_parts(), make_storage()
    content = os.urandom(7 * MIB)
    done = []

    def meanwhile(request):
        if "partNumber=2" in request.path and not done:
            done.append(other.save("contested", ContentFile(b"faster")))

    proxy.fault = meanwhile
    name = storage.save("contested", ContentFile(content))
    assert done == ["contested"] and name != "contested"
    assert other.open("contested").read() == b"faster" and other.open(name).read() == content


def test_a_part_that_fails_is_sent_again(in_parts, proxy):
    """One failing part does not start the upload over."""
    failed = []

    def fail_once(request):
        if "partNumber=2" in request.path and not failed:
            failed.append(True)
            return "refuse 503"
        return None

    proxy.fault = fail_once
    content = os.urandom(12 * MIB)
    storage = in_parts(num_parallel_uploads=1)
    assert storage.open(storage.save("f", ContentFile(content))).read() == content
    assert proxy.methods.count("PUT") == 4


def test_an_upload_that_fails_leaves_nothing(in_parts, proxy):
    """When a part cannot be sent, the error arrives, the parts are removed, and the name stays free."""
    proxy.fault = lambda request: "refuse 403" if "partNumber=2" in request.path else None
    storage = in_parts(num_parallel_uploads=1)
    with pytest.raises(Exception, match="AccessDenied"):
        storage.save("f", ContentFile(os.urandom(7 * MIB)))
    assert ("DELETE", None) in [(method, fault) for method, path, fault in proxy.requests if "uploadId" in path]
    assert not storage.exists("f")


def test_a_lost_last_answer_is_noticed(in_parts, proxy):
    """If only the answer to the last request is lost, the file is found to be stored."""
    lost = lambda request: "lose answer" if request.command == "POST" and "uploadId" in request.path else None  # noqa: E731
    proxy.fault = lost
    content = os.urandom(7 * MIB)
    storage = in_parts()
    assert storage.save("f", ContentFile(content)) == "f"
    assert storage.listdir("") == ([], ["f"]) and storage.open("f").read() == content


@pytest.mark.parametrize(("size", "first"), [(64 * MIB, "PUT"), (64 * MIB + 1, "POST")], ids=["64 MiB", "a byte more"])
def test_parts_begin_beyond_64_mib(make_storage, proxy, tmp_path, size, first):
    """Without further settings a file of 64 MiB goes in one request; of a larger one, an upload in parts is begun."""
    storage = make_storage(MINIO_ENDPOINT=proxy.endpoint, replace_existing=True)
    proxy.fault = lambda request: "refuse 403 early"
    with (tmp_path / "large").open("w+b") as file, pytest.raises(S3Error, match="AccessDenied"):
        file.truncate(size)
        storage.save("large", File(file))
    assert proxy.methods == [first]


def test_parts_are_enlarged_for_very_large_files():
    """S3 takes 10,000 parts at most: the size of a part grows with the file."""
    parts = Parts(5 * MIB)
    assert parts.fitted(100 * MIB) == 5 * MIB
    assert -(-(10**12) // parts.fitted(10**12)) <= 10_000


def test_memory_does_not_grow_with_the_file(server_options, s3_bucket):
    """Saving a large file from disk, so large that it goes in parts, adds less than 16 MB to a process's peak memory;
    reading it in chunks, and reading its first kilobyte, add less than 8 MB.

    PENTAD_LARGE_FILE_MB sets its size; 70 by default.
    """
    size = int(os.environ.get("PENTAD_LARGE_FILE_MB", "70"))
    script = f"""
        import tempfile, os, django
        from django.conf import settings
        settings.configure()
        django.setup()
        from django.core.files.base import ContentFile, File
        from pathlib import Path
        from django_minio_backend import MinioBackend

        def peak():  # not getrusage(), whose peak is at first that of the process which started this one
            lines = Path("/proc/self/status").read_text().splitlines()
            return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024

        storage = MinioBackend({s3_bucket!r}, MINIO_PRIVATE_BUCKETS=[{s3_bucket!r}], **{server_options!r})
        storage.open(storage.save("warm", ContentFile(os.urandom(2_000_000)))).read(10)
        start = peak()
        with tempfile.TemporaryFile() as file:
            for _ in range({size}):
                file.write(os.urandom(1_000_000))
            name = storage.save("large", File(file, "large"))
        saved = peak()
        with storage.open(name) as file:
            file.read(1024)
        total = sum(len(chunk) for chunk in storage.open(name).chunks())
        print(total, saved - start, peak() - saved)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    total, saving, reading = map(int, done.stdout.split())
    assert total == size * 1_000_000
    assert (saving < 16, reading < 8) == (True, True), f"saving {saving} MB, reading {reading} MB"
