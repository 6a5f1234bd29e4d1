"""Whether an S3 server answers, as an object that is true or false and can say why."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import urllib3

from django_minio_backend.clocks import skew_in_words, skew_of
from django_minio_backend.deadlines import check_deadline
from django_minio_backend.deadlines import deadline as within
from django_minio_backend.transport import reason_of

if TYPE_CHECKING:
    from django_minio_backend.connection import Connection

__all__ = ["MinioServerStatus", "server_status"]


_WORTH_SAYING = 60
"""Seconds of difference between the clocks."""
_ENOUGH = 64 * 1024
"""Bytes of the answer that are read."""


class MinioServerStatus:
    """What a server answered to an unsigned request. True if it answered as a healthy S3 server does.

    `request` is urllib3's answer, or None if there was none; `data` is the body, if it is not in the answer.
    """

    def __init__(self, request: urllib3.BaseHTTPResponse | None, data: bytes | None = None) -> None:
        self.__request, self.__data = request, data
        self._messages: list[str] = []
        self._skew = None if request is None else skew_of(request)
        if request is None:
            self.add_message("There was no answer: the server cannot be reached.")
        elif not self.is_available:
            self.add_message(_verdict(request))
        if self._skew is not None and abs(self._skew) >= _WORTH_SAYING:
            said = skew_in_words(self._skew)
            self.add_message(f"{said[0].upper()}{said[1:]}.")

    @property
    def status(self) -> int | None:
        """The HTTP status, or None without an answer."""
        return None if self.__request is None else self.__request.status

    @property
    def data(self) -> bytes | None:
        """The body of the answer, or None without an answer."""
        return self.__request.data if self.__request is not None and self.__data is None else self.__data

    @property
    def clock_skew(self) -> float | None:
        """By how many seconds the server's clock is ahead of ours; None if it does not say."""
        return self._skew

    @property
    def is_available(self) -> bool:
        """Whether the server is healthy."""
        return self.__request is not None and _speaks_s3(self.__request)

    @property
    def details(self) -> str:
        """What is known, one line per fact."""
        return "\n".join([repr(self), *self._messages])

    def add_message(self, text: str) -> None:
        """Add a line to the details."""
        self._messages.append(text)

    def __bool__(self) -> bool:
        return self.is_available

    def __repr__(self) -> str:
        return "MinIO is available" if self.is_available else "MinIO is NOT available"


def server_status(connection: Connection, deadline: float) -> MinioServerStatus:
    """Ask the server's root without credentials; wait no longer than `deadline` seconds for the answer."""
    url = f"{connection.endpoint.base_url}/"
    started = time.monotonic()
    try:
        with within(deadline):
            response, body = _answer(connection, url, deadline)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        status = MinioServerStatus(None)
        status.add_message(f"{url}: {reason_of(error)}")
        return status
    status = MinioServerStatus(response, body)
    milliseconds = (time.monotonic() - started) * 1000
    status.add_message(f"{url} answered with HTTP status {response.status} in {milliseconds:.0f} ms.")
    return status


def _answer(connection: Connection, url: str, deadline: float) -> tuple[urllib3.BaseHTTPResponse, bytes]:
    """Return the answer and the beginning of its body; a body that trickles ends with the deadline."""
    response = connection.pool.urlopen(
        "GET", url, retries=False, redirect=False, timeout=urllib3.Timeout(total=deadline), preload_content=False
    )
    body = b""
    while len(body) < _ENOUGH and (block := response.read1(_ENOUGH)):
        check_deadline()
        body += block
    response.close()
    return response, body


def _speaks_s3(response: Any) -> bool:
    """Tell a healthy S3 server: it refuses or lists anonymously, in XML or with its request id."""
    marked = "xml" in response.headers.get("content-type", "") or any(
        name.lower().startswith("x-amz-") for name in response.headers
    )
    return bool(response.status == 403 or (response.status < 500 and marked))


def _verdict(response: Any) -> str:
    if response.status >= 500:
        return f"The server is failing: HTTP status {response.status}."
    return f"The address answers (HTTP status {response.status}), but not as an S3 server does."
