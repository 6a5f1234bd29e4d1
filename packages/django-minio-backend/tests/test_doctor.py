"""`s3_doctor`: what a server can and cannot do, found out by trying."""

import io
import json
import socket
import time

import pytest
from django.core.management import CommandError, call_command

from django_minio_backend.doctor_checks import CHECKS
from django_minio_backend.management.commands import s3_doctor


def examine(**options):
    """Run the command, with patience; return its exit code and what it printed."""
    said = io.StringIO()
    try:
        call_command("s3_doctor", stdout=said, **{"timeout": 600, **options})
    except SystemExit as end:
        return end.code, said.getvalue()
    return 0, said.getvalue()


def findings(**options):
    code, said = examine(json=True, **options)
    ((_, found),) = json.loads(said).items()
    return code, {one["title"]: one for one in found}


@pytest.fixture
def behind(configure, proxy):
    """A function: the storage is configured behind the proxy, which fails as asked."""

    def make(fault=None, **options):
        configure(MINIO_ENDPOINT=proxy.endpoint, **options)
        proxy.fault = fault

    return make


def test_a_good_server_passes_every_check(configure, sdk, s3_service):
    """On the test's server everything works that it can do, each check is a line, and no bucket is left behind."""
    before = {bucket.name for bucket in sdk.list_buckets()}
    configure()
    code, said = examine(strict=s3_service.checks_signatures)
    possible = len(CHECKS) - (not s3_service.completes_conditionally)
    assert said.count("\n  yes ") == possible or not s3_service.checks_signatures, said
    assert code == 0 or not s3_service.checks_signatures
    assert all(check.title in said for check in CHECKS)
    assert {bucket.name for bucket in sdk.list_buckets()} - before == set()


def test_the_document_holds_every_finding(configure):
    """--json prints one document: by server, each check with its result, its need and a detail."""
    configure()
    _, found = findings()
    assert list(found) == [check.title for check in CHECKS]
    assert {one["need"] for one in found.values()} == {"required", "recommended", "optional"}


def test_a_given_bucket_keeps_its_configuration(configure, s3_bucket, sdk):
    """With --bucket nothing about the bucket is changed, and what was written is removed."""
    configure()
    _, found = findings(bucket=s3_bucket)
    skipped = {title for title, one in found.items() if one["result"] == "skipped"}
    assert skipped == {check.title for check in CHECKS if check.own_bucket}
    assert list(sdk.list_objects(s3_bucket, recursive=True)) == []


@pytest.fixture
def only(monkeypatch):
    """A function that leaves out all checks but those with a word in their title: the others were seen to work."""

    def choose(word):
        monkeypatch.setattr(s3_doctor, "CHECKS", [check for check in CHECKS if word in check.title])

    return choose


def test_a_server_without_conditions_is_found_out(behind, only):
    """Ignored conditions are a recommendation missed: exit code 0, and 1 with --strict."""
    only("conditional")
    behind(lambda request: "forget condition" if request.command in {"PUT", "POST"} else None)
    code, found = findings()
    assert (found["conditional writes"]["result"], code) == ("no", 0)
    assert "If-None-Match is ignored: a name then costs five requests" in found["conditional writes"]["detail"]
    assert examine(strict=True)[0] == 1


def test_a_required_check_that_fails_is_exit_code_1(behind, only):
    """If parts are refused, the line says what the server answered and what follows."""
    only("uploads in parts")
    behind(lambda request: "refuse 403" if "partNumber" in request.path else None)
    code, said = examine()
    assert code == 1
    (line,) = [line for line in said.splitlines() if "uploads in parts " in line and "required" in line]
    assert "AccessDenied" in line and "files above 64 MiB cannot be saved" in line


@pytest.mark.parametrize("options", [{"MINIO_ENDPOINT": "127.0.0.1:1"}, {"MINIO_SECRET_KEY": "wrong" * 8}])
def test_a_server_that_cannot_be_examined_is_exit_code_2(configure, s3_service, options):
    """Without an answer, or without the right to make a bucket, the command says so and ends with 2."""
    if "MINIO_SECRET_KEY" in options and not s3_service.checks_signatures:
        pytest.skip("moto takes any key")
    configure(MINIO_RETRIES=0, **options)
    with pytest.raises(CommandError, match="cannot be examined") as caught:
        examine()
    assert caught.value.returncode == 2


def test_a_hung_server_ends_in_time(configure):
    """A server that says nothing is given up after --timeout."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        configure(MINIO_ENDPOINT=f"127.0.0.1:{silent.getsockname()[1]}", MINIO_READ_TIMEOUT=300)
        started = time.monotonic()
        with pytest.raises(CommandError, match="cannot be examined"):
            examine(timeout=0.3)
        assert time.monotonic() - started < 200
