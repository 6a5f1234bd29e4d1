"""What happens when the network or the server fails: nothing is lost and nothing is hidden."""

import os
import threading
from contextlib import nullcontext

import pytest
from django.core.files.base import ContentFile
from minio.error import S3Error

from django_minio_backend.errors import ObjectChanged, ServerUnreachable

LARGE = 6_000_000
"""Bytes that no buffer of the kernel takes in one go: of such a body something is always left to send."""
IN_THE_MIDST = {"refuse 503 early", "break off"}


def once(method, *faults):
    """Fail the first request of this method; of several faults, so many requests, one after the other."""
    left = list(faults)
    return lambda request: left.pop(0) if request.command == method and left else None


@pytest.mark.parametrize(
    "faults",
    [
        ["refuse 503"],
        ["refuse 503", "refuse 503"],
        ["refuse 503 early"],
        ["drop request"],
        ["break off"],
        ["lose answer"],
    ],
    ids=" and ".join,
)
@pytest.mark.parametrize("replace", [False, True], ids=["new", "replacing"])
def test_a_save_survives_failures(make_storage, proxy, faults, replace):
    """The file is stored under its own name, once and whole, even if only the answer was lost."""
    storage = make_storage(MINIO_ENDPOINT=proxy.endpoint, MINIO_CONDITIONAL_WRITES=True, replace_existing=replace)
    content = os.urandom(LARGE if IN_THE_MIDST & set(faults) else 1000)
    proxy.fault = once("PUT", *faults)
    assert storage.save("precious", ContentFile(content)) == "precious"
    assert storage.listdir("") == ([], ["precious"])
    assert storage.open("precious").read() == content
    assert proxy.methods.count("PUT") == len(faults) + 1


@pytest.mark.parametrize(
    ("fault", "code"), [("refuse 403 early", "AccessDenied"), ("refuse 413 early", "EntityTooLarge.*MULTIPART")]
)
@pytest.mark.parametrize("way", ["new", "replacing", "in parts"])
def test_a_refusal_in_the_midst_of_a_body_is_heard(make_storage, proxy, fault, code, way):
    """A server that refuses a large body and hangs up while it is sent is understood at once: its error arrives after
    that one request, what was there stays, and the next request has a connection of its own."""
    storage = make_storage(
        **{"MINIO_ENDPOINT": proxy.endpoint, "MINIO_CONDITIONAL_WRITES": True, "replace_existing": way != "new"},
        **({"MINIO_MULTIPART_UPLOAD": True, "MINIO_MULTIPART_THRESHOLD": 1} if way == "in parts" else {}),
    )
    make_storage(replace_existing=True).save("kept", ContentFile(b"old"))
    proxy.fault = lambda request: fault if request.command == "PUT" else None
    with pytest.raises(S3Error, match=code):
        storage.save("new" if way == "new" else "kept", ContentFile(bytes(LARGE)))
    proxy.fault = None
    assert proxy.methods.count("PUT") == 1
    assert storage.listdir("") == ([], ["kept"]) and storage.open("kept").read() == b"old"


def test_a_lost_answer_does_not_take_a_name_twice(counted, proxy):
    """If another save took the name first, a lost answer does not make it ours."""
    counted.save("contested", ContentFile(b"theirs"))
    proxy.fault = once("PUT", "lose answer")
    name = counted.save("contested", ContentFile(b"ours"))
    assert name != "contested"
    assert counted.open("contested").read() == b"theirs"
    assert counted.open(name).read() == b"ours"


@pytest.mark.parametrize(("fault", "error"), [("refuse 403", "AccessDenied"), ("refuse 500", "HTTP500|InternalError")])
def test_a_look_that_fails_does_not_overwrite(make_storage, proxy, fault, error):
    """If the server does not say whether a name is taken, the save fails and the object stays."""
    storage = make_storage(MINIO_ENDPOINT=proxy.endpoint, MINIO_CONDITIONAL_WRITES=False, MINIO_RETRIES=0)
    storage.save("kept", ContentFile(b"old"))
    proxy.fault = lambda request: fault if request.command == "HEAD" else None
    with pytest.raises(S3Error, match=error):
        storage.save("kept", ContentFile(b"new"))
    proxy.fault = None
    assert storage.open("kept").read() == b"old"


def test_keys_that_may_only_write_overwrite_nothing(make_storage, proxy):
    """Where a policy allows nothing but PUT, a taken name is still found taken: both files are there afterwards."""
    make_storage().save("kept", ContentFile(b"old"))
    proxy.fault = lambda request: None if request.command == "PUT" else "refuse 403"
    name = make_storage(MINIO_ENDPOINT=proxy.endpoint).save("kept", ContentFile(b"new"))
    proxy.fault = None
    assert name != "kept"
    assert [make_storage().open(each).read() for each in ("kept", name)] == [b"old", b"new"]


def test_a_failed_replacement_keeps_the_old_file(make_storage, proxy):
    """With replace_existing, an upload that fails for good leaves the old object as it was."""
    storage = make_storage(MINIO_ENDPOINT=proxy.endpoint, replace_existing=True, MINIO_RETRIES=1)
    storage.save("kept", ContentFile(b"old"))
    proxy.fault = lambda request: "drop request" if request.command == "PUT" else None
    with pytest.raises(ServerUnreachable):
        storage.save("kept", ContentFile(b"new"))
    proxy.fault = None
    assert storage.open("kept").read() == b"old"


@pytest.mark.parametrize("status", ["refuse 403", "refuse 503"])
def test_exists_and_size_do_not_hide_errors(make_storage, proxy, status):
    """A refusal or a failing server is an error to exists(), size() and the others, never False or 0."""
    storage = make_storage(MINIO_ENDPOINT=proxy.endpoint, MINIO_RETRIES=0)
    proxy.fault = lambda request: status
    for ask in (storage.exists, storage.size, storage.get_modified_time, storage.open, storage.delete):
        with pytest.raises((S3Error, ServerUnreachable)):
            ask("x")


def test_a_wrong_secret_is_an_error_everywhere(make_storage, s3_service):
    """With a wrong secret key every method raises what the server said; moto takes any, and then nothing is raised."""
    storage = make_storage(MINIO_SECRET_KEY="wrong" * 8)

    def refused(match=None):
        return pytest.raises(S3Error, match=match) if s3_service.checks_signatures else nullcontext()

    with refused("SignatureDoesNotMatch|AccessDenied"):
        storage.save("x", ContentFile(b"x"))
    for ask in (storage.exists, storage.size, storage.stat):
        with refused():
            ask("x")
    with refused(), storage.open("x") as file:
        assert file.read() == b"x"


def test_a_closed_port_is_named(make_storage):
    """An unreachable server is a ConnectionError that names address and settings."""
    storage = make_storage(MINIO_ENDPOINT="127.0.0.1:1", MINIO_RETRIES=0)
    for ask in (storage.exists, storage.size, storage.open, storage.listdir, storage.stat):
        with pytest.raises(ConnectionError, match=r"127\.0\.0\.1:1.*MINIO_ENDPOINT"):
            ask("x")


def test_a_missing_bucket_names_the_command(make_storage, new_bucket):
    """Saving into a bucket that does not exist says which command creates it."""
    with pytest.raises(S3Error, match="initialize_buckets") as caught:
        make_storage(new_bucket()).save("x", ContentFile(b"x"))
    assert caught.value.code == "NoSuchBucket"


def test_a_missing_bucket_is_created_if_the_settings_say_so(make_storage, new_bucket):
    """MINIO_BUCKET_CHECK_ON_SAVE creates the bucket at the first save that needs it."""
    storage = make_storage(new_bucket(), MINIO_BUCKET_CHECK_ON_SAVE=True)
    assert storage.open(storage.save("x", ContentFile(b"content"))).read() == b"content"


def test_reading_resumes_where_it_broke_off(counted, proxy):
    """A connection cut in the middle of a file is resumed with a range, and the content is right."""
    content = os.urandom(3_000_000)
    counted.save("cut", ContentFile(content))
    proxy.reset()
    proxy.fault = once("GET", ("cut", 1_000_000))
    with counted.open("cut") as file:
        assert file.read() == content
    assert proxy.methods == ["GET", "GET"]


def test_a_file_replaced_while_it_is_read_is_noticed(make_storage):
    """After a seek, a replaced object is an error and never a mixture of two versions."""
    storage = make_storage(replace_existing=True)
    storage.save("v", ContentFile(b"1" * 1_000_000))
    with storage.open("v") as file:
        file.read(10)
        storage.save("v", ContentFile(b"2" * 1_000_000))
        file.seek(500_000)
        with pytest.raises(ObjectChanged, match="'v'"):
            file.read()


def test_readers_see_the_old_or_the_new_file(make_storage):
    """While a file is replaced again and again, every reader gets one whole version."""
    storage = make_storage(replace_existing=True)
    storage.save("swap", ContentFile(b"0" * 50_000))
    stop = threading.Event()

    def replace():
        for number in range(20):
            storage.save("swap", ContentFile(str(number % 10).encode() * 50_000))
        stop.set()

    writer = threading.Thread(target=replace)
    writer.start()
    versions = []
    while not stop.is_set():
        with storage.open("swap") as file:
            versions.append(file.read())
    writer.join()
    assert versions and all(len(set(version)) == 1 and len(version) == 50_000 for version in versions)
