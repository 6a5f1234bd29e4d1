"""Object requests sent directly: what the SDK has no call for (conditions, streamed bodies, streamed answers)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Never, Protocol
from xml.etree import ElementTree as ET

import urllib3

from django_minio_backend.deadlines import deadline, is_over
from django_minio_backend.errors import DeadlineExceeded, ServerUnreachable, s3_error
from django_minio_backend.signing import EMPTY_SHA256, canonical_query, quote_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from minio.credentials.credentials import Credentials

    from django_minio_backend.connection import Connection

__all__ = ["SAVE_ID", "Body", "Transport", "explained", "reason_of"]


SAVE_ID = "x-amz-meta-save-id"
"""Metadata by which a save recognises its own object if the answer to its request was lost."""


class Body(Protocol):
    """What a request sends: readable from the start again, with size and digest known beforehand."""

    size: int

    @property
    def sha256(self) -> str:
        """The digest of all bytes, in hexadecimal."""

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes."""

    def seek(self, offset: int, /) -> int:
        """Go to a position."""

    def tell(self) -> int:
        """Return the position."""


class explained:  # noqa: N801  reads as a word: `with explained(endpoint):`
    """Turn the transport's errors inside the block into ServerUnreachable, which names the server.

    A class and not a generator: contextlib assigns `__traceback__`, which S3Error of some SDK releases forbids.
    """

    def __init__(self, connection: Connection) -> None:
        self._base_url = connection.endpoint.base_url

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, urllib3.exceptions.HTTPError):
            return
        if is_over() or isinstance(error, DeadlineExceeded):
            raise DeadlineExceeded(
                f"The S3 server at {self._base_url} did not finish within the time that MINIO_TOTAL_TIMEOUT, or a "
                f"deadline in the code, allows ({reason_of(error)})."
            ) from error
        if not isinstance(error, ServerUnreachable):
            raise ServerUnreachable(
                f"No usable answer from the S3 server at {self._base_url} ({reason_of(error)}). Check "
                "MINIO_ENDPOINT and MINIO_USE_HTTPS, and that the server runs and can be reached from here."
            ) from error


def reason_of(error: BaseException) -> str:
    """Return the cause of a transport error without its URL, which may hold a signature."""
    cause = getattr(error, "reason", None) or error
    return f"{type(cause).__name__}: {str(cause).rpartition(': ')[2]}"[:300]


class Transport:
    """Sends signed requests about objects of one server and returns its answers."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def exchange(
        self,
        method: str,
        bucket: str,
        name: str = "",
        *,
        query: Iterable[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        **how: Any,
    ) -> urllib3.BaseHTTPResponse:
        """Send one request and return the answer whatever its status. Raises only ServerUnreachable.

        `how` goes to urllib3: `preload_content`, `retries`, `timeout`.
        """
        connection, endpoint = self.connection, self.connection.endpoint
        path = quote_path(f"/{bucket}/{name}" if bucket else "/")
        text = canonical_query(query)
        url = f"{endpoint.base_url}{path}{'?' + text if text else ''}"
        region = "us-east-1" if ("location", "") in query else self.region(bucket)
        start = 0 if body is None else body.tell()
        length = {} if body is None else {"content-length": str(body.size)}

        with deadline(connection.total_timeout), explained(connection):
            sha256 = EMPTY_SHA256 if body is None else body.sha256
            signed = (method, endpoint.signed_host, path, text, region, sha256, headers or {})

            def send(keys: Credentials) -> urllib3.BaseHTTPResponse:
                sent = connection.signer.headers(keys, *signed) | length
                return connection.pool.urlopen(method, url, body=body, headers=sent, redirect=False, **how)

            return connection.keys.exchange(send, lambda: body and body.seek(start))

    def request(self, method: str, bucket: str, name: str = "", **how: Any) -> urllib3.BaseHTTPResponse:
        """Send one request and return its successful answer, or raise S3Error."""
        response = self.exchange(method, bucket, name, **how)
        if not 200 <= response.status < 300:
            self.fail(response, bucket, name)
        return response

    def fail(self, response: urllib3.BaseHTTPResponse, bucket: str, name: str) -> Never:
        """Raise the S3Error that an answer stands for, after reading what the server said."""
        with explained(self.connection):
            response.read(cache_content=True)
        response.release_conn()
        raise s3_error(response, bucket, name)

    def region(self, bucket: str) -> str:
        """Return the region to sign for. Only where none is configured, a bucket's is asked for once."""
        connection = self.connection
        if connection.region or not bucket:
            return connection.region or "us-east-1"
        if bucket not in connection.regions:
            answer = self.request("GET", bucket, query=[("location", "")])
            connection.regions[bucket] = ET.fromstring(answer.data).text or "us-east-1"  # noqa: S314  own server
        return connection.regions[bucket]
