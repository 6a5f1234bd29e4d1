"""How long an operation may take in all, on servers that hang or trickle."""

import os
import socket
import threading
import time

import pytest
from django.core.files.base import ContentFile

from django_minio_backend.deadlines import deadline
from django_minio_backend.errors import DeadlineExceeded, ServerUnreachable

LONG = 200
"""Seconds: far more than any deadline of these tests, also on a machine that stalls, and less than one wait without it."""
WAITS = {"MINIO_READ_TIMEOUT": 300}


@pytest.fixture
def hung_server():
    """The address of a server that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        yield f"127.0.0.1:{silent.getsockname()[1]}"


@pytest.fixture
def trickle():
    """The address of a server that promises a megabyte and gives a byte every few milliseconds."""
    stop = threading.Event()

    def answer(connection):
        with connection:
            connection.recv(65536)
            connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\nETag: "1"\r\n\r\n')
            while not stop.wait(0.005):
                connection.sendall(b"x")

    def serve():
        try:
            while True:
                threads.append(threading.Thread(target=swallow, args=server.accept()[:1]))
                threads[-1].start()
        except OSError:  # closed
            return

    def swallow(connection):
        try:
            answer(connection)
        except OSError:  # the client has gone
            return

    threads = []
    server = socket.create_server(("127.0.0.1", 0))
    acceptor = threading.Thread(target=serve)
    acceptor.start()
    yield f"127.0.0.1:{server.getsockname()[1]}"
    stop.set()
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    for thread in (acceptor, *threads):
        thread.join()


@pytest.mark.parametrize(
    "operation",
    [
        lambda storage: storage.exists("x"),
        lambda storage: storage.size("x"),
        lambda storage: storage.stat("x"),
        lambda storage: storage.get_modified_time("x"),
        lambda storage: storage.open("x"),
        lambda storage: storage.delete("x"),
        lambda storage: storage.listdir(""),
        lambda storage: storage.save("x", ContentFile(b"x")),
    ],
)
def test_every_operation_ends_in_time(make_storage, hung_server, operation):
    """With MINIO_TOTAL_TIMEOUT each operation on a hung server fails in that time, repetitions included."""
    storage = make_storage(MINIO_ENDPOINT=hung_server, MINIO_TOTAL_TIMEOUT=0.2, MINIO_CONDITIONAL_WRITES=True, **WAITS)
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded, match=f"{hung_server}.*MINIO_TOTAL_TIMEOUT") as caught:
        operation(storage)
    assert time.monotonic() - started < LONG
    assert isinstance(caught.value, (TimeoutError, ServerUnreachable))


def test_a_deadline_in_the_code_counts_too(make_storage, hung_server):
    """`with deadline(seconds)` bounds all operations inside together; the sooner of two ends counts."""
    storage = make_storage(MINIO_ENDPOINT=hung_server, MINIO_TOTAL_TIMEOUT=3600, **WAITS)
    started = time.monotonic()
    with deadline(0.3):
        for _ in range(2):
            with pytest.raises(DeadlineExceeded), deadline(3600):
                storage.exists("x")
    assert time.monotonic() - started < LONG


def test_a_trickling_read_ends_in_time(make_storage, trickle):
    """A server that never stalls but would take for ever is given up as well; opening in time is no pardon."""
    storage = make_storage(MINIO_ENDPOINT=trickle)
    with storage.open("x") as file, deadline(0.3), pytest.raises(DeadlineExceeded):
        while file.read(16):
            pass


def test_parts_sent_side_by_side_share_the_deadline(make_storage, proxy):
    """The threads that send parts end with the deadline of the save that started them."""
    storage = make_storage(
        MINIO_ENDPOINT=proxy.endpoint, MINIO_CONDITIONAL_WRITES=True, MINIO_MULTIPART_UPLOAD=True,
        MINIO_MULTIPART_THRESHOLD=1, num_parallel_uploads=2, **WAITS,
    )  # fmt: skip
    release = threading.Event()
    proxy.before = lambda request: "partNumber" in request.path and release.wait(LONG)
    started = time.monotonic()
    with deadline(1.0), pytest.raises(DeadlineExceeded):
        storage.save("x", ContentFile(os.urandom(20_000_000)))
    assert time.monotonic() - started < LONG
    release.set()


def test_pauses_do_not_outlast_the_deadline(make_storage, proxy):
    """A server that keeps failing is not waited for longer than the deadline."""
    storage = make_storage(MINIO_ENDPOINT=proxy.endpoint, MINIO_RETRIES=1000)
    proxy.fault = lambda request: "refuse 503"
    with deadline(0.5), pytest.raises(DeadlineExceeded):
        storage.exists("x")


def test_without_a_deadline_there_is_none(storage):
    """By default operations are bounded by the waits and repetitions alone."""
    assert storage.total_timeout is None
    assert storage.open(storage.save("x", ContentFile(b"1"))).read() == b"1"
