"""What another user of this machine gets from the servers: no data, from any of their ports."""

import http.client
import io
import os
import socket
import ssl
import stat
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
from minio import Minio

from pentad_services import ProcessGuard, start_all
from pentad_services._mark import mark_number, marked

MARK = "what-only-the-owner-may-read"
BUCKET = "strangers-bucket"
PATIENCE = 60  # seconds, however busy the machine is
PATHS = (
    f"/{BUCKET}/kept", "/", f"/buckets/{BUCKET}/", f"/buckets/{BUCKET}/kept", f"/buckets/{BUCKET}/kept?metadata=true",
    f"/buckets/{BUCKET}/?pretty=y", "/dir/status", "/dir/assign", "/vol/status", "/cluster/status", "/ui/index.html",
    f"/{BUCKET}?list-type=2",
)  # fmt: skip
# RFC 9113 sections 3.4 and 6.5: a client's first words, ending in an empty frame of settings; a server answers with its own.
SETTINGS = b"\x04"
GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + SETTINGS + bytes(5)

pytestmark = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="finds ports through /proc")


@pytest.fixture(scope="module")
def guard(_alone):
    with ProcessGuard() as guard:
        yield guard


@pytest.fixture(scope="module")
def _alone():
    """Servers of this test's own, whatever the outer session uses."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("PENTAD_TEST_REDIS_URL", "PENTAD_TEST_POSTGRES_URL", "PENTAD_TEST_S3_URL", "PENTAD_TEST_DOCKER"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="module")
def servers(guard, tmp_path_factory):
    """Redis, PostgreSQL and S3 with the mark stored in each of them."""
    with start_all(["redis", "postgres", "s3"], guard=guard, folder=tmp_path_factory.mktemp("data")) as services:
        with redis.Redis.from_url(services["redis"].url) as client:
            client.set("kept", MARK)
        with psycopg.connect(services["postgres"].url) as connection:
            connection.execute(f"create table kept as select '{MARK}' as text")
        s3 = services["s3"]
        if not s3.checks_signatures:
            pytest.skip(f"{s3.line}: it opens everything to everybody, as its line says")
        s3.create_bucket(BUCKET)
        keys = s3.keys.revealed()
        Minio(s3.endpoint, *keys, secure=False).put_object(BUCKET, "kept", io.BytesIO(MARK.encode()), len(MARK))
        yield services


def listening(guard):
    """The TCP ports that the guard's processes listen on, and the sockets that SeaweedFS has in /tmp."""
    inodes = {
        os.readlink(link)[8:-1]
        for pid in marked(mark_number(guard.name))
        for link in Path(f"/proc/{pid}/fd").glob("*")
        if link.is_symlink() and os.readlink(link).startswith("socket:")
    }
    tcp = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ports = sorted(int(row[1].split(":")[1], 16) for row in tcp if row[3] == "0A" and row[9] in inodes)
    unix = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    return ports, sorted(
        {row[7] for row in unix if len(row) == 8 and row[6] in inodes and row[7].startswith("/tmp/sea")}
    )


def said(address, sent, expected=b""):
    """All that a server answers to these bytes until it closes or falls silent, though not before what is expected."""
    kind = socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX
    with socket.socket(kind) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(address)
        got = b""
        try:
            connection.sendall(sent)
            while True:
                connection.settimeout(0.3 if expected in got else PATIENCE)
                if not (chunk := connection.recv(65536)):
                    break
                got += chunk
        except OSError:
            pass
        return got


def fetched(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    except (OSError, http.client.HTTPException) as problem:
        return str(problem).encode()
    finally:
        connection.close()


def test_no_port_gives_data_to_a_stranger(servers, guard):
    """Whatever a stranger says to any port, in any of the protocols spoken there, no stored byte and no list comes."""
    ports, _ = listening(guard)
    assert len(ports) >= 10  # Redis, PostgreSQL, and two for each of SeaweedFS's four parts
    refusal = {urlsplit(servers["redis"].url).port: b"NOAUTH"}
    answers = [said(("127.0.0.1", port), b"KEYS *\r\nGET kept\r\n", refusal.get(port, b"")) for port in ports]
    answers += [fetched(port, path) for port in ports for path in PATHS]
    together = b"".join(answers)
    assert MARK.encode() not in together
    assert BUCKET.encode() + b"</Name>" not in together
    assert b'"fid"' not in together  # the master would tell where to write
    assert together.count(b"NOAUTH") == 2


def test_the_words_of_a_stranger_would_find_open_data(servers, guard):
    """The same words, said by somebody with the password, get the data: the test above can fail."""
    address = urlsplit(servers["redis"].url)
    login = f"AUTH {address.password}\r\n".encode()
    assert MARK.encode() in said(("127.0.0.1", address.port), login + b"GET kept\r\n", MARK.encode())


def test_postgres_refuses_who_has_no_password(servers):
    """Neither no password nor a wrong one opens PostgreSQL, for any user."""
    port = urlsplit(servers["postgres"].url).port
    for login in ("postgres", "postgres:wrong", "nobody"):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(f"postgresql://{login}@127.0.0.1:{port}/postgres")


def test_grpc_asks_for_a_certificate(servers, guard):
    """Each gRPC port of SeaweedFS, and each socket that goes with it, breaks off where no certificate is shown."""
    ports, sockets = listening(guard)
    doors = [*(("127.0.0.1", port) for port in ports if port - 10000 in ports), *sockets]
    assert len(doors) == 8
    for door in doors:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            tls_greeting(door)
        assert said(door, GREETING)[3:4] != SETTINGS


def tls_greeting(door):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with socket.socket(socket.AF_INET if isinstance(door, tuple) else socket.AF_UNIX) as plain:
        plain.settimeout(PATIENCE)
        plain.connect(door)
        with context.wrap_socket(plain) as connection:
            connection.sendall(GREETING)
            while connection.recv(4096):
                pass
    raise AssertionError(f"{door} spoke with somebody who showed no certificate")


def test_no_command_line_and_no_readable_file_holds_a_credential(servers, guard, tmp_path_factory):
    """What `ps` shows has no password in it, and every file that has one is its owner's alone."""
    credentials = [urlsplit(servers[name].url).password for name in ("redis", "postgres")]
    credentials += [*servers["s3"].keys.revealed(), *servers["s3"].second_keys.revealed()]
    shown = b"".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in marked(mark_number(guard.name)))
    assert not [word for word in credentials if word.encode() in shown]
    found = subprocess.run(
        ["grep", "-rlF", *(part for word in credentials for part in ("-e", word)), tmp_path_factory.getbasetemp()],
        capture_output=True, text=True, check=False,
    ).stdout.splitlines()  # fmt: skip
    assert len(found) >= 7  # five that keep them, and two servers' configurations
    assert {stat.S_IMODE(Path(name).stat().st_mode) for name in found} == {0o600}


def test_no_repr_holds_a_credential(servers):
    """The repr of a service, which a failing test prints, shows no password."""
    shown = repr(servers)
    assert "redacted" in shown
    for name in ("redis", "postgres"):
        assert urlsplit(servers[name].url).password not in shown
