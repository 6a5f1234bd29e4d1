"""The errors of this package, each both the SDK's kind and the kind that Django and Python expect."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, Self

import urllib3
from minio.error import S3Error

from django_minio_backend.clocks import LONGEST_SKEW, skew_in_words, skew_of
from pentad_config import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pentad_config import Problem

__all__ = [
    "ConfigurationError",
    "DeadlineExceeded",
    "ObjectChanged",
    "ObjectNotFound",
    "PrivatePublicMixedError",
    "ServerUnreachable",
    "s3_error",
]

_CODE_BY_STATUS = {
    301: ("PermanentRedirect", "the bucket lives in another region or at another address"),
    307: ("TemporaryRedirect", "the bucket lives at another address for now"),
    400: ("BadRequest", "the server did not understand the request"),
    403: ("AccessDenied", "the server refused access"),
    404: ("NoSuchKey", "the object does not exist"),
    405: ("MethodNotAllowed", "the server does not allow this method here"),
    409: ("Conflict", "another operation is in the way"),
    412: ("PreconditionFailed", "a condition of the request did not hold"),
    413: ("EntityTooLarge", "the server, or a proxy before it, takes no body of this size; see MINIO_MULTIPART_UPLOAD"),
    416: ("InvalidRange", "the requested range lies outside of the object"),
    501: ("NotImplemented", "the server does not implement this"),
    503: ("ServiceUnavailable", "the server asks to be left alone for a moment"),
}


class ConfigurationError(Exception):
    """A setting is missing or wrong. The message names the setting and says what to write, never its value."""

    @classmethod
    def of(cls, problems: Iterable[Problem]) -> Self:
        """Return the error that lists all these problems, each once."""
        return cls(str(ConfigError(dict.fromkeys(problems))))


class PrivatePublicMixedError(ConfigurationError):
    """One bucket is declared private and public at the same time."""


class ServerUnreachable(ConnectionError, urllib3.exceptions.HTTPError):  # noqa: N818
    """The S3 server gave no usable answer: refused, timed out, cut off, or failing after all retries."""


class DeadlineExceeded(ServerUnreachable, TimeoutError):  # noqa: N818
    """An operation took longer than MINIO_TOTAL_TIMEOUT, or than a deadline in the code, allows."""


class ObjectChanged(OSError):  # noqa: N818
    """An object was replaced or removed while it was being read."""


class ObjectNotFound(S3Error, FileNotFoundError):  # noqa: N818
    """No object of this name, or no bucket: the SDK's error and Python's FileNotFoundError in one."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        vars(OSError)["errno"].__set__(self, errno.ENOENT)  # S3Error lets nothing be assigned

    def __reduce__(self) -> tuple[Any, ...]:
        names = ("code", "message", "resource", "request_id", "host_id", "bucket_name", "object_name")
        return _restored_not_found, ({name: getattr(self, name) for name in names},)


class LegacyObjectNotFound(S3Error, AttributeError):  # noqa: N818
    """What `stat()` of a missing object raises with the global settings of the 3.x releases."""


def _restored_not_found(fields: dict[str, Any]) -> ObjectNotFound:
    return ObjectNotFound(response=None, **fields)


def not_found(bucket: str, name: str, response: Any = None, kind: type[Any] = ObjectNotFound) -> Any:
    """Return the error for a missing object."""
    message = f"there is no object {name!r} in the bucket {bucket!r}"
    return kind(code="NoSuchKey", message=message, **_fields(response, bucket, name))


def _fields(response: Any, bucket: str, name: str) -> dict[str, Any]:
    """Return the arguments of S3Error; as keywords, because their order differs by release of the SDK."""
    headers = getattr(response, "headers", {})
    return {
        "resource": f"/{bucket}/{name}",
        "request_id": headers.get("x-amz-request-id"),
        "host_id": headers.get("x-amz-id-2"),
        "response": response,
        "bucket_name": bucket,
        "object_name": name or None,
    }


def s3_error(response: Any, bucket: str, name: str = "") -> S3Error:
    """Return the S3Error for an answer that is not a success. The body must have been read.

    A missing object, and any object of a missing bucket, is a FileNotFoundError too.
    """
    code, message = _code_and_message(response)
    if response.status == 403 and (skew := skew_of(response)) is not None and abs(skew) > LONGEST_SKEW:
        message = f"{message}; {skew_in_words(skew)}"
    kind: type[S3Error] = S3Error
    if code == "NoSuchKey" and name:
        kind, message = ObjectNotFound, f"there is no object {name!r} in the bucket {bucket!r}"
    if code == "NoSuchBucket":
        kind = ObjectNotFound
        message = (
            f"the bucket {bucket!r} does not exist; declare it and run "
            "'python manage.py initialize_buckets', or set MINIO_BUCKET_CHECK_ON_SAVE"
        )
    return kind(code=code, message=message, **_fields(response, bucket, name))


def _code_and_message(response: Any) -> tuple[str, str]:
    """Read code and message from the XML body, or derive them from the status where there is none."""
    if response.data and b"<Code>" in response.data:
        parsed = S3Error.fromxml(response)
        if parsed.code:
            return parsed.code, parsed.message or ""
    default = (f"HTTP{response.status}", f"the server answered with HTTP status {response.status}")
    return _CODE_BY_STATUS.get(response.status, default)
