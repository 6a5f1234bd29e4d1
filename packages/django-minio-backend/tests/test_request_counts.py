"""How many HTTP requests each operation costs, counted by a proxy in front of the real server."""

import io
import os
import zipfile

from django.core.files.base import ContentFile

from django_minio_backend import MinioBackend


def test_a_save_is_one_request(counted, proxy):
    """A new name costs one conditional PUT."""
    counted.save("new", ContentFile(b"x"))
    assert proxy.methods == ["PUT"]


def test_a_taken_name_is_two_requests(counted, proxy):
    """A taken name costs one refused PUT and one under the next name."""
    counted.save("taken", ContentFile(b"x"))
    proxy.reset()
    counted.save("taken", ContentFile(b"y"))
    assert proxy.methods == ["PUT", "PUT"]


def test_a_replacement_is_one_request(make_storage, proxy):
    """replace_existing neither looks nor deletes first."""
    storage = make_storage(MINIO_ENDPOINT=proxy.endpoint, replace_existing=True)
    storage.save("same", ContentFile(b"1"))
    storage.save("same", ContentFile(b"2"))
    assert proxy.methods == ["PUT", "PUT"]


def test_twelve_megabytes_are_one_request(counted, proxy):
    """Up to 64 MiB a file is one PUT."""
    counted.save("big", ContentFile(os.urandom(12_000_000)))
    assert proxy.methods == ["PUT"]


def test_opening_and_reading_is_one_request(counted, proxy):
    """The answer that opens a file also tells its size, time and content."""
    counted.save("f", ContentFile(b"content"))
    proxy.reset()
    with counted.open("f") as file:
        assert (file.size, len(file), file.content_type) == (7, 7, "application/octet-stream")
        assert file.last_modified and file.etag
        assert file.read() == b"content"
    assert proxy.methods == ["GET"]


def test_links_cost_nothing(counted, proxy):
    """url() sends no request, with caching of links and without."""
    counted.url("a")
    MinioBackend(**{**counted._kwargs, "MINIO_URL_CACHING_ENABLED": True}).url("a")
    assert proxy.methods == []


def test_questions_are_one_request_each(counted, proxy):
    """exists(), size(), get_modified_time(), stat() and delete() cost one request each."""
    counted.save("q", ContentFile(b"x"))
    for ask in (counted.exists, counted.size, counted.get_modified_time, counted.stat, counted.delete):
        proxy.reset()
        ask("q")
        assert len(proxy.methods) == 1, ask


def test_listing_costs_by_direct_entries(counted, proxy, sdk):
    """A folder is listed in one request, however many files lie deeper."""
    for number in range(30):
        counted.save(f"top/deep/{number}", ContentFile(b""))
    proxy.reset()
    assert counted.listdir("top") == (["deep"], [])
    assert proxy.methods == ["GET"]


def test_the_first_kilobyte_does_not_move_the_file(counted, proxy):
    """Reading 1 KB of 12 MB moves less than a tenth of it, and closing does not fetch the rest."""
    counted.save("long", ContentFile(os.urandom(12_000_000)))
    proxy.reset()
    with counted.open("long") as file:
        file.read(1024)
    assert proxy.bytes_down < 6_000_000
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
