"""Whether an S3 server answers, as an object that is true or false and can say why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import urllib3

from django_minio_backend.transport import reason_of

if TYPE_CHECKING:
    from django_minio_backend.connection import Connection

__all__ = ["MinioServerStatus", "server_status"]


class MinioServerStatus:
    """What a server answered to an unsigned request. True if it answered as a healthy S3 server does.

    `request` is urllib3's answer with its body read, or None if there was none.
    """

    def __init__(self, request: urllib3.BaseHTTPResponse | None) -> None:
        self.__request = request
        self._messages: list[str] = []
        if request is None:
            self.add_message("There was no answer: the server cannot be reached.")
        elif not self.is_available:
            self.add_message(_verdict(request))

    @property
    def status(self) -> int | None:
        """The HTTP status, or None without an answer."""
        return None if self.__request is None else self.__request.status

    @property
    def data(self) -> bytes | None:
        """The body of the answer, or None without an answer."""
        return None if self.__request is None else self.__request.data

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
    try:
        response = connection.pool.urlopen(
            "GET", url, retries=False, redirect=False, timeout=urllib3.Timeout(total=deadline)
        )
    except (urllib3.exceptions.HTTPError, OSError) as error:
        status = MinioServerStatus(None)
        status.add_message(f"{url}: {reason_of(error)}")
        return status
    status = MinioServerStatus(response)
    status.add_message(f"{url} answered with HTTP status {response.status}.")
    return status


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
