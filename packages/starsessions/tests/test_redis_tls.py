"""Sessions over TLS, by a client of the application's and by a URL."""

import asyncio
import datetime as dt
import ipaddress
import secrets
import shutil
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from pentad_config import Secret
from starsessions.stores.redis import RedisStore

pytestmark = pytest.mark.anyio

PASSWORD = secrets.token_hex(16)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """The path of a certificate for 127.0.0.1 that is its own authority; its key lies beside it."""
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Redis of a test")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - dt.timedelta(hours=1)).not_valid_after(now + dt.timedelta(days=1))
    for extension in (
        x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
        x509.BasicConstraints(ca=True, path_length=0),
    ):
        builder = builder.add_extension(extension, critical=False)
    path.write_bytes(builder.sign(key, SHA256()).public_bytes(Encoding.PEM))
    path.with_name("key.pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )
    return path


@pytest.fixture
async def proxied(redis_url, certificate):
    """Put a TLS connection in front of the Redis of the other tests, as clouds do; yields its URL."""
    address = urlsplit(redis_url)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))

    async def forward(source, target):
        try:
            while data := await source.read(65536):
                target.write(data)
        except ConnectionError:
            pass  # a visitor who hangs up
        finally:
            target.close()

    async def accept(reader, writer):
        inner_reader, inner_writer = await asyncio.open_connection(address.hostname, address.port or 6379)
        await asyncio.gather(forward(reader, inner_writer), forward(inner_reader, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    try:
        port = server.sockets[0].getsockname()[1]
        yield f"rediss://{address.netloc.rpartition(':')[0]}:{port}{address.path}"
    finally:
        server.close()


@pytest.fixture(scope="module")
def native(redis_servers, certificate):
    """Start a Redis that speaks TLS itself, if there is one that does; returns its URL."""
    programs = [redis_servers.program, *filter(None, map(shutil.which, ("redis-server", "valkey-server")))]
    files = {"tls_cert_file": certificate, "tls_key_file": certificate.with_name("key.pem"), "tls_auth_clients": "no"}
    for program in dict.fromkeys(map(Path, programs)):
        (port,) = redis_servers.free_ports(1)
        process = redis_servers.start(program=program, port=0, tls_port=port, requirepass=PASSWORD, **files)
        url = f"rediss://:{PASSWORD}@127.0.0.1:{port}/0"

        async def answers_or_ended(process=process, url=url):
            if process.poll() is not None:
                return "ended"
            async with Redis.from_url(url, ssl_ca_certs=str(certificate)) as client:
                return await client.ping()

        if asyncio.run(redis_servers.until(answers_or_ended, RedisConnectionError)) != "ended":
            return url
    pytest.skip(f"built without TLS: {', '.join(map(str, programs))}. Debian's redis-server has it.")


@pytest.fixture(params=["proxied", "native"])
def server(request):
    """The URL of a Redis that is reached over TLS."""
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("how", ["connection", "url"])
async def test_sessions_over_tls(make_site, server, certificate, how):
    """Sessions begin, change, and end over a connection whose certificate is checked."""
    if how == "url":
        store = client = RedisStore(Secret(f"{server}?ssl_ca_certs={certificate}", name="redis url"))
    else:
        client = Redis.from_url(server, ssl_ca_certs=str(certificate))
        store = RedisStore(connection=client)
    async with make_site(store, lifetime=60).visitor() as visitor:
        await visitor.get("/update?name=Ada")
        await visitor.get("/update?cart=1")
        assert (await visitor.get("/show")).json() == {"name": "Ada", "cart": "1"}
        await visitor.get("/clear")
        assert (await visitor.get("/show")).json() == {}
    await client.aclose()


async def test_a_stranger_is_not_talked_to(make_site, server):
    """A server whose certificate nobody vouches for gets no session: the request fails."""
    store = RedisStore(Secret(server, name="redis url"))
    async with make_site(store, lifetime=60).visitor() as visitor:
        with pytest.raises(RedisConnectionError):
            await visitor.get("/update?name=Ada")
    await store.aclose()
