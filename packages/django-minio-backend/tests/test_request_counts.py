"""How many HTTP requests each operation costs, counted by a proxy in front of the real server."""

import io
import os
import zipfile

from django.core.files.base import ContentFile

from django_minio_backend import MinioBackend


def saved(name, size=1):
    return lambda storage: storage.save(name, ContentFile(os.urandom(size)))


def opened(storage):
    """Open, look at everything the opening answer tells, and read."""
    with storage.open("there") as file:
        assert (file.size, len(file), file.content_type) == (7, 7, "application/octet-stream")
        assert file.last_modified and file.etag
        assert file.read() == b"content"


TABLE = [
    ("save, new name", saved("new"), ["PUT"]),
    ("save, name taken", saved("there"), ["PUT", "PUT"]),
    ("save of 12 MB", saved("12 MB", 12_000_000), ["PUT"]),
    ("open, size, time, type, read", opened, ["GET"]),
    ("exists", lambda storage: storage.exists("there"), ["HEAD"]),
    ("size", lambda storage: storage.size("there"), ["HEAD"]),
    ("get_modified_time", lambda storage: storage.get_modified_time("there"), ["HEAD"]),
    ("stat", lambda storage: storage.stat("there"), ["HEAD"]),
    ("listdir", lambda storage: storage.listdir(""), ["GET"]),
    ("url", lambda storage: storage.url("there"), []),
    ("url, kept in the cache", lambda storage: cached(storage).url("there"), []),
    ("delete", lambda storage: storage.delete("there"), ["DELETE"]),
    ("save, replacing", lambda storage: replacing(storage).save("there", ContentFile(b"2")), ["PUT"]),
]


def cached(storage):
    return MinioBackend(*storage._args, **{**storage._kwargs, "MINIO_URL_CACHING_ENABLED": True})


def replacing(storage):
    return MinioBackend(*storage._args, **{**storage._kwargs, "replace_existing": True})


def test_each_operation_costs_what_the_table_says(counted, proxy):
    """The requests of every operation, one after the other on one storage."""
    counted.save("there", ContentFile(b"content"))
    counts = {}
    for title, operation, _ in TABLE:
        proxy.reset()
        operation(counted)
        counts[title] = proxy.methods
    assert counts == {title: methods for title, _, methods in TABLE}


def test_listing_costs_by_direct_entries(counted, proxy, sdk):
    """A folder is listed without what lies deeper: of the names there, nothing is sent."""
    for number in range(5):
        counted.save(f"top/deep/{number}{'x' * 200}", ContentFile(b""))
    proxy.reset()
    assert counted.listdir("top") == (["deep"], [])
    assert proxy.methods == ["GET"]
    assert proxy.bytes_down < 1000


def test_the_first_kilobyte_does_not_move_the_file(counted, proxy):
    """Reading 1 KB of 12 MB moves less than 1 MB, and closing does not fetch the rest."""
    counted.save("long", ContentFile(os.urandom(12_000_000)))
    proxy.reset()
    with counted.open("long") as file:
        file.read(1024)
    assert proxy.bytes_down < 1_000_000
    assert proxy.methods == ["GET"]


def test_a_zip_directory_is_read_by_ranges(counted, proxy):
    """zipfile reads one member of an archive over ranges, without the rest of it."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("wanted.txt", b"here")
        packed.writestr("padding.bin", os.urandom(20_000_000))
    counted.save("a.zip", ContentFile(archive.getvalue()))
    proxy.reset()
    with counted.open("a.zip") as file, zipfile.ZipFile(file) as packed:
        assert packed.read("wanted.txt") == b"here"
    assert proxy.bytes_down < 10_000_000


def test_the_server_is_probed_once(make_storage, proxy):
    """Whether conditional writes are honoured is found out once per process and server, and leaves nothing."""
    storage = make_storage(MINIO_ENDPOINT=proxy.endpoint)
    storage.save("one", ContentFile(b"x"))
    assert proxy.methods == ["PUT", "PUT", "DELETE", "PUT"]
    proxy.reset()
    make_storage(MINIO_ENDPOINT=proxy.endpoint).save("two", ContentFile(b"x"))
    assert proxy.methods == ["PUT"]
    assert storage.listdir("") == ([], ["one", "two"])


def test_equal_storages_share_one_connection(make_storage):
    """Twenty storages with the same settings have one client and one pool."""
    connections = {id(make_storage().connection) for _ in range(20)}
    assert len(connections) == 1
