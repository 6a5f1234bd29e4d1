"""Names on servers that ignore the conditions of a write, or of the end of an upload in parts."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.files.base import ContentFile
from minio.error import S3Error

from django_minio_backend.claiming import CLAIMS
from django_minio_backend.errors import ServerUnreachable

MIB = 1024 * 1024
IN_PARTS = {"MINIO_MULTIPART_UPLOAD": True, "MINIO_MULTIPART_THRESHOLD": MIB, "MINIO_MULTIPART_PART_SIZE": 5 * MIB}


def save_all(storage, contents):
    """Save every content under one name, eight at a time; return contents by name."""
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda content: storage.save("race", ContentFile(content)), contents))
    return dict(zip(names, contents, strict=True))


def test_without_conditions_two_saves_never_share_a_name(forgetful, sdk, s3_bucket):
    """Eight threads race for one name on a server that ignores conditions: every content has an object."""
    storage = forgetful("PUT", "POST")
    contents = [b"%d" % number for number in range(24)]
    saved = save_all(storage, contents)
    assert len(saved) == len(contents)
    assert {entry.object_name for entry in sdk.list_objects(s3_bucket, recursive=True)} == set(saved)
    assert all(storage.open(name).read() == content for name, content in saved.items())
    assert storage.connection.conditional_writes is False


def test_a_name_under_claim_costs_five_requests(make_storage, proxy):
    """Where conditions are known to be ignored: claim, look for others, look for the object, write, withdraw."""
    storage = make_storage(MINIO_ENDPOINT=proxy.endpoint, MINIO_CONDITIONAL_WRITES=False)
    storage.save("n", ContentFile(b"1"))
    assert proxy.methods == ["PUT", "GET", "HEAD", "PUT", "DELETE"]


def test_a_claimed_name_is_left_alone(make_storage, proxy, sdk, s3_bucket):
    """A save gives way while another's claim of the name is there; claims are not shown as files."""
    storage = make_storage(MINIO_CONDITIONAL_WRITES=False, MINIO_ENDPOINT=proxy.endpoint)
    copied = []

    def leave_one(request):
        if request.command == "DELETE" and CLAIMS in request.path and not copied:
            copied.append(True)
            return "refuse 403"  # as if the process had been killed before
        return None

    proxy.fault = leave_one
    assert storage.save("n", ContentFile(b"1")) == "n"
    storage.delete("n")
    assert storage.listdir("") == ([], [])
    assert storage.save("n", ContentFile(b"2")) != "n"
    assert [entry.object_name for entry in sdk.list_objects(s3_bucket, CLAIMS, recursive=True)] != []


def test_a_write_that_may_still_happen_keeps_its_claim(make_storage, proxy):
    """If the answer to a write never comes, no later save takes the name: the server might write over it."""
    storage = make_storage(MINIO_CONDITIONAL_WRITES=False, MINIO_ENDPOINT=proxy.endpoint, MINIO_RETRIES=0)
    proxy.fault = lambda request: "drop request" if request.command == "PUT" and CLAIMS not in request.path else None
    with pytest.raises(ServerUnreachable):
        storage.save("n", ContentFile(b"1"))
    proxy.fault = None
    assert storage.save("n", ContentFile(b"2")) != "n"


def test_an_upload_in_parts_takes_its_name_first(forgetful, proxy, make_storage):
    """Where only the end of an upload ignores conditions, a small save meanwhile does not lose its name or its file."""
    storage, other = forgetful("POST", **IN_PARTS), make_storage(MINIO_CONDITIONAL_WRITES=True)
    contents = [os.urandom(2 * MIB), b"small"]
    names = []

    def meanwhile(request):
        if "partNumber=1" in request.path and not names and "contested" in request.path:
            names.append(other.save("contested", ContentFile(contents[1])))
        return "forget condition" if request.command == "POST" else None

    proxy.fault = meanwhile
    large = storage.save("contested", ContentFile(contents[0]))
    assert storage.connection.conditional_completion is False and storage.connection.conditional_writes
    assert large == "contested" and names[0] != "contested"
    assert [storage.open(name).read() for name in (large, names[0])] == contents


def test_a_failed_upload_frees_its_name_again(forgetful, proxy):
    """If the parts cannot be sent, the empty object that held the name is removed."""
    storage = forgetful("POST", **IN_PARTS)
    storage.save("probed", ContentFile(os.urandom(MIB)))

    def fail(request):
        if "partNumber" in request.path:
            return "refuse 403"
        return "forget condition" if request.command == "POST" else None

    proxy.fault = fail
    with pytest.raises(S3Error, match="AccessDenied"):
        storage.save("large", ContentFile(os.urandom(MIB)))
    assert storage.listdir("") == ([], ["probed"])


def test_completion_is_probed_once(make_storage, proxy, completes_conditionally):
    """Whether the end of an upload honours conditions is found out at the first upload in parts, and leaves nothing."""
    storage = make_storage(MINIO_ENDPOINT=proxy.endpoint, **IN_PARTS)
    storage.save("one", ContentFile(os.urandom(MIB)))
    probing = [method for method, path, _ in proxy.requests if "probe" in path]
    assert probing == ["PUT", "PUT", "DELETE", "PUT", "POST", "PUT", "POST", "DELETE", "DELETE"]
    proxy.reset()
    storage.save("two", ContentFile(os.urandom(MIB)))
    assert proxy.methods == ["HEAD", "POST", "PUT", "POST"]
    assert storage.connection.conditional_completion and storage.listdir("") == ([], ["one", "two"])


@pytest.mark.parametrize("refusal", ["refuse 503", "refuse 403"])
def test_a_failing_probe_decides_nothing(make_storage, proxy, refusal):
    """A server that fails or refuses while it is probed is asked again by the next save."""
    storage = make_storage(MINIO_ENDPOINT=proxy.endpoint, MINIO_RETRIES=0)
    proxy.fault = lambda request: refusal
    with pytest.raises(S3Error):
        storage.save("x", ContentFile(b"x"))
    assert storage.connection.conditional_writes is None
    proxy.fault = None
    storage.save("x", ContentFile(b"x"))
    assert storage.connection.conditional_writes is True
