"""One connection pool and one SDK client per process and server, shared by all storages with equal settings."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import urllib3
from minio import Minio

from django_minio_backend import epoch
from django_minio_backend.authorities import authorities_file, authorities_problem
from django_minio_backend.credentials import SECRETS, keys_of
from django_minio_backend.credentials_document import DocumentProvider
from django_minio_backend.deadlines import BoundedRetry, BoundedTimeout
from django_minio_backend.errors import ConfigurationError
from django_minio_backend.signing import Signer

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from django_minio_backend.options import Options
    from django_minio_backend.rotation import Keys

__all__ = ["Connection", "Endpoint", "connection_for"]

_T = TypeVar("_T")
_BLOCK = 256 * 1024
_SHAPING = (
    "MINIO_ENDPOINT",
    "MINIO_REGION",
    "MINIO_CONNECT_TIMEOUT",
    "MINIO_READ_TIMEOUT",
    "MINIO_TOTAL_TIMEOUT",
    "MINIO_RETRIES",
    "MINIO_CONDITIONAL_WRITES",
)


@dataclass(frozen=True)
class Endpoint:
    """Where a server is: `host` or `host:port`, and whether TLS is spoken there."""

    host: str
    secure: bool

    @property
    def base_url(self) -> str:
        """The address without a slash at its end."""
        return f"{'https' if self.secure else 'http'}://{self.host}"

    @property
    def signed_host(self) -> str:
        """The Host header as clients send it: without the scheme's default port."""
        return self.host.removesuffix(":443" if self.secure else ":80")


@dataclass
class Connection:
    """All that is needed to talk to one server: pool, credentials, SDK client, region."""

    endpoint: Endpoint
    keys: Keys
    region: str | None
    pool: urllib3.PoolManager
    conditional_writes: bool | None = None
    """Whether the server honours `If-None-Match: *`; None until that was found out."""
    conditional_completion: bool | None = None
    """Whether it does so too at the end of an upload in parts."""
    total_timeout: float | None = None
    """Seconds that an operation may take in all."""
    regions: dict[str, str] = field(default_factory=dict)
    """The regions of buckets, filled only where no region is configured."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    holds: tuple[Any, ...] = field(default=(), repr=False)
    """The objects whose identity stands in the registry's key: alive, their ids are not given out again."""

    @cached_property
    def client(self) -> Minio:
        """The SDK's client on the same pool and credentials."""
        return self.client_at(self.endpoint)

    @cached_property
    def signer(self) -> Signer:
        """Signs this server's requests and links."""
        return Signer(self.keys)

    def ask(self, question: Callable[[Minio], _T]) -> _T:
        """Return what a function asks of the SDK's client; it is called once more if its keys are refused."""
        return self.keys.ask(lambda: question(self.client))

    def client_at(self, endpoint: Endpoint) -> Minio:
        """Return an SDK client that signs for another address of the same server."""
        return Minio(
            endpoint.host,
            secure=endpoint.secure,
            region=self.region,
            credentials=self.keys,
            http_client=self.pool,
        )


_connections: dict[Hashable, Connection] = {}
_lock = threading.Lock()
_abandoned: list[Any] = []


def connection_for(options: Options) -> Connection:
    """Return this process's connection for the settings; made on first use. No request is sent."""
    key = _identity(options)
    found = _connections.get(key)
    if found is None:
        options.check()
        with _lock:
            found = _connections.setdefault(key, _connect(options))
    return found


def _connect(options: Options) -> Connection:
    return Connection(
        endpoint=Endpoint(options.get("MINIO_ENDPOINT"), options.secure),
        keys=keys_of(options),
        region=options.get("MINIO_REGION"),
        pool=options.get("MINIO_HTTP_CLIENT") or _pool(options),
        conditional_writes=options.get("MINIO_CONDITIONAL_WRITES"),
        conditional_completion=options.get("MINIO_CONDITIONAL_WRITES"),
        total_timeout=options.get("MINIO_TOTAL_TIMEOUT"),
        holds=tuple(_objects(options)),
    )


def _pool(options: Options) -> urllib3.PoolManager:
    retries = BoundedRetry(
        total=options.get("MINIO_RETRIES"),
        backoff_factor=0.2,
        status_forcelist=[500, 502, 503, 504],
        raise_on_status=False,
    )
    timeout = BoundedTimeout(connect=options.get("MINIO_CONNECT_TIMEOUT"), read=options.get("MINIO_READ_TIMEOUT"))
    return urllib3.PoolManager(timeout=timeout, retries=retries, maxsize=32, blocksize=_BLOCK, **_trust(options))


def _trust(options: Options) -> dict[str, Any]:
    """Return which certificate authorities are trusted: those of SSL_CERT_FILE, else the system's."""
    if problem := authorities_problem() if options.secure else None:
        raise ConfigurationError.of([problem])
    file = authorities_file()
    return {"cert_reqs": "CERT_REQUIRED", **({"ca_certs": file} if file else {})}


def _identity(options: Options) -> Hashable:
    """Return what two storages must have in common to share a connection."""
    return (
        options.secure,
        *(options.get(name) for name in _SHAPING),
        *(id(one) for one in _objects(options)),
    )


def _objects(options: Options) -> list[Any]:
    """Return what is compared by identity: client objects and secrets, which are never shown or hashed."""
    provider = options.get("MINIO_CREDENTIALS")
    keys = provider.document if isinstance(provider, DocumentProvider) else provider
    return [keys, *(options.get(name) for name in ("MINIO_HTTP_CLIENT", *SECRETS))]


def _forget_after_fork() -> None:
    """Start afresh in a forked child: a socket shared with the parent would mix up their answers.

    The parent's objects are kept unused for ever, as dropping them would close pools whose locks may be held
    by threads that do not exist in the child.
    """
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()
    epoch.renew()
    _abandoned.extend(_connections.values())
    for connection in _connections.values():
        pool = connection.pool
        _abandoned.append(pool.pools)
        pool.pools = type(pool.pools)(pool.pools._maxsize, dispose_func=pool.pools.dispose_func)  # noqa: SLF001
    _connections.clear()


os.register_at_fork(after_in_child=_forget_after_fork)
