"""Whether a server is healthy, whatever S3 server it is."""

import http.server
import re
import socket
import threading
import time
from datetime import datetime, timedelta
from email.utils import formatdate

import pytest
from django.core.management import CommandError, call_command
from minio.error import S3Error

from django_minio_backend.utils import MinioServerStatus


@pytest.fixture
def web_server():
    """A server that is no S3 server; its status can be set."""

    class Handler(http.server.BaseHTTPRequestHandler):
        status = 200

        def do_GET(self):
            self.send_response(self.status)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *args):
            """Nothing is written."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        server.handler = Handler
        yield server
        server.shutdown()
        thread.join()


def test_a_running_server_is_available(storage):
    """A healthy server makes a true status with its HTTP status and details."""
    status = storage.is_minio_available(timeout=60)
    assert status and status.is_available and repr(status) == "MinIO is available"
    assert isinstance(status.status, int) and status.data is not None
    assert status.details.startswith("MinIO is available") and storage.base_url in status.details


def test_a_closed_port_is_not_available(make_storage):
    """A server that refuses connections makes a false status that says so."""
    status = make_storage(MINIO_ENDPOINT="127.0.0.1:1").is_minio_available(timeout=60)
    assert not status and repr(status) == "MinIO is NOT available"
    assert status.status is None and status.data is None
    assert "127.0.0.1:1" in status.details and "refused" in status.details


@pytest.mark.parametrize(("answer", "said"), [(200, "not as an S3 server"), (404, "not as"), (503, "failing")])
def test_another_server_is_not_available(make_storage, web_server, answer, said):
    """An address where something else answers, or a failing server, is not available, and the details say why."""
    web_server.handler.status = answer
    status = make_storage(MINIO_ENDPOINT=f"127.0.0.1:{web_server.server_port}").is_minio_available(timeout=60)
    assert not status and said in status.details and str(answer) in status.details


def test_a_silent_server_is_given_up_in_time(make_storage):
    """A server that never answers is given up after the asked time."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        storage = make_storage(MINIO_ENDPOINT=f"127.0.0.1:{silent.getsockname()[1]}", MINIO_READ_TIMEOUT=300)
        started = time.monotonic()
        assert not storage.is_minio_available(timeout=0.3)
        assert time.monotonic() - started < 200


def test_a_status_without_an_answer_is_false():
    """MinioServerStatus(None) is false, and messages can be added to its details."""
    status = MinioServerStatus(None)
    status.add_message("the cable is unplugged")
    assert not status and status.details.endswith("the cable is unplugged")


def test_the_command_names_what_it_found(configure, capsys):
    """is_minio_available prints each server, nothing if silenced, and fails with address and details."""
    configure()
    call_command("is_minio_available")
    assert "MinIO is available" in capsys.readouterr().out
    call_command("is_minio_available", silenced=True)
    assert capsys.readouterr().out == ""
    configure(MINIO_ENDPOINT="127.0.0.1:1")
    with pytest.raises(CommandError, match=r"(?s)127\.0\.0\.1:1.*refused") as caught:
        call_command("is_minio_available")
    assert caught.value.returncode == 1


def test_the_command_needs_a_server_to_ask(settings):
    """Without any storage of ours the command fails instead of reporting health."""
    settings.STORAGES = {"default": {"BACKEND": "django.core.files.storage.InMemoryStorage"}}
    with pytest.raises(CommandError, match="No storage"):
        call_command("is_minio_available")


@pytest.mark.parametrize(("ahead", "said"), [(1200, "ahead"), (-120, "behind"), (0, "")])
def test_a_wrong_clock_is_shown(make_storage, web_server, ahead, said):
    """The details say by how much the server's clock differs, once that is a minute or more."""
    web_server.handler.date_time_string = lambda *_: formatdate(time.time() + ahead, usegmt=True)
    status = make_storage(MINIO_ENDPOINT=f"127.0.0.1:{web_server.server_port}").is_minio_available(timeout=60)
    assert status.clock_skew == pytest.approx(ahead, abs=30)
    assert f" {said}" in status.details
    assert ("clock" in status.details) is bool(said)


@pytest.mark.parametrize(("ahead", "said"), [(1200, r"1[12]\d\d seconds behind"), (-1200, r"1[12]\d\d seconds ahead")])
def test_a_refusal_for_the_clock_says_so(storage, s3_service, monkeypatch, ahead, said):
    """Also where the server's answer has no body to say why: a machine whose clock is wrong learns by how much."""
    if not s3_service.checks_signatures:
        pytest.skip(f"{s3_service.line} takes signatures of any time")

    class Wrong(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(seconds=ahead)

    monkeypatch.setattr("django_minio_backend.signing.datetime", Wrong)
    monkeypatch.setattr("django_minio_backend.clocks.datetime", Wrong)
    for ask in (storage.exists, storage.size, storage.open, storage.delete):
        with pytest.raises(S3Error, match=said):
            ask("x")


@pytest.mark.parametrize("date", ["no date", "Sun, 22 Nov 2026 16:00:00 -0000"])
def test_a_server_that_does_not_say_the_time(make_storage, web_server, date):
    """Without a Date header that says when it is, and where, there is no skew to tell; without an answer neither."""
    web_server.handler.date_time_string = lambda *_: date
    storage = make_storage(MINIO_ENDPOINT=f"127.0.0.1:{web_server.server_port}")
    assert storage.is_minio_available(timeout=60).clock_skew is None
    assert MinioServerStatus(None).clock_skew is None


def test_the_details_say_how_long_it_took(storage):
    """A status tells the address, the HTTP status and the milliseconds."""
    assert re.search(
        rf"{storage.base_url}/ answered with HTTP status \d+ in \d+ ms", storage.is_minio_available(timeout=60).details
    )
