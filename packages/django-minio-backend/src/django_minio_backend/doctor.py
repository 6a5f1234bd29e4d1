"""`s3_doctor`: tries on a server what this package uses, and says what works and what follows where it does not."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from minio.error import MinioException

from django_minio_backend.buckets import Buckets
from django_minio_backend.deadlines import deadline, grace
from django_minio_backend.errors import ServerUnreachable
from django_minio_backend.payload import Window
from django_minio_backend.transport import Transport, explained

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import urllib3

    from django_minio_backend.storage import MinioBackend

__all__ = ["Check", "Finding", "Need", "Patient", "Result", "Shortcoming", "examine"]

_ENTRIES = frozenset({"Version", "DeleteMarker", "Contents"})


class Need(StrEnum):
    """How much this package depends on something."""

    REQUIRED = "required"
    RECOMMENDED = "recommended"
    OPTIONAL = "optional"


class Result(StrEnum):
    """What came out of a check."""

    YES = "yes"
    NO = "no"
    ERROR = "error"
    SKIPPED = "skipped"


class Shortcoming(Exception):  # noqa: N818  a finding, not a failure
    """The server does not do what a check asks for; the message says what it did."""


@dataclass(frozen=True)
class Check:
    """One thing to try. `otherwise` is what follows for users where it does not work."""

    title: str
    need: Need
    run: Callable[[Patient], str | None]
    otherwise: str = ""
    own_bucket: bool = False
    """Whether it changes a bucket's configuration, and so is tried on a bucket made for it only."""


@dataclass(frozen=True)
class Finding:
    """What a check found; `detail` is one line of text."""

    title: str
    need: Need
    result: Result
    detail: str

    @property
    def is_bad(self) -> bool:
        """Whether something does not work, or could not be tried."""
        return self.result in {Result.NO, Result.ERROR}

    def as_json(self) -> dict[str, Any]:
        """Return the finding for a JSON document."""
        return {key: str(value) for key, value in asdict(self).items()}


class Patient:
    """The server under examination, and a bucket on it in which everything below `prefix` may be changed."""

    def __init__(self, storage: MinioBackend, bucket: str, *, own_bucket: bool) -> None:
        self.storage, self.bucket, self.own_bucket = storage, bucket, own_bucket
        self.prefix = f".s3-doctor-{secrets.token_hex(6)}/"
        self.transport = Transport(storage.connection)
        self.buckets = Buckets(storage.connection)

    def key(self, name: str) -> str:
        """Return the name of an object that the examination may write."""
        return self.prefix + name

    def send(
        self,
        method: str,
        name: str = "",
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **how: Any,
    ) -> urllib3.BaseHTTPResponse:
        """Send a signed request about an object; without a name about the bucket. Returns any answer."""
        body = None if data is None else Window.of(data)
        key = self.key(name) if name else ""
        return self.transport.exchange(method, self.bucket, key, headers=headers, body=body, **how)

    def put(self, name: str, data: bytes = b"content", headers: Mapping[str, str] | None = None) -> None:
        """Store an object. Raises S3Error."""
        self.transport.request("PUT", self.bucket, self.key(name), body=Window.of(data), headers=headers)

    def load(self, url: str, method: str = "GET", **how: Any) -> urllib3.BaseHTTPResponse:
        """Send a request without credentials, as a browser does. Returns any answer."""
        with explained(self.storage.connection):
            return self.storage.connection.pool.request(method, url, redirect=False, **how)

    def address(self, name: str) -> str:
        """Return the plain address of an object, without a signature."""
        return f"{self.storage.base_url}/{self.bucket}/{self.key(name)}"

    def tidy(self) -> None:
        """Remove what the examination wrote."""
        client = self.storage.client
        for name, version in self._written():
            client.remove_object(self.bucket, name, version)
        if self.own_bucket:
            client.remove_bucket(self.bucket)

    def _written(self) -> list[tuple[str, str | None]]:
        """Return name and version of all that is there: a bucket that once had versions is not empty before they go."""
        query = [("prefix", self.prefix), ("versions", "")]
        answer = self.transport.exchange("GET", self.bucket, query=query)
        if answer.status != 200:  # a server without versions
            listed = self.storage.client.list_objects(self.bucket, self.prefix, recursive=True)
            return [(entry.object_name or "", None) for entry in listed]
        parts = ET.fromstring(answer.data).iter()  # noqa: S314  own server
        entries = [part for part in parts if part.tag.rpartition("}")[2] in _ENTRIES]
        return [(entry.findtext("{*}Key") or "", entry.findtext("{*}VersionId")) for entry in entries]


def examine(
    storage: MinioBackend, checks: Iterable[Check], *, bucket: str = "", seconds: float = 60.0
) -> list[Finding]:
    """Return what each check finds on the storage's server within so many seconds in all.

    Without `bucket` a bucket of a random name is made and removed; in a given one objects are written below a random
    prefix, and its configuration is left alone. Raises what the server raises if there is no bucket to be had.
    """
    with deadline(seconds), _patient(storage, bucket) as patient:
        return [_found(check, patient) for check in checks]


@contextmanager
def _patient(storage: MinioBackend, bucket: str) -> Iterator[Patient]:
    patient = Patient(storage, bucket or f"s3-doctor-{secrets.token_hex(6)}", own_bucket=not bucket)
    if not bucket:
        patient.buckets.ensure(patient.bucket)
    try:
        yield patient
    finally:
        with grace(), explained(storage.connection):
            patient.tidy()


def _found(check: Check, patient: Patient) -> Finding:
    if check.own_bucket and not patient.own_bucket:
        return Finding(check.title, check.need, Result.SKIPPED, "would change the configuration of the given bucket")
    try:
        return Finding(check.title, check.need, Result.YES, check.run(patient) or "")
    except Shortcoming as found:
        detail = ": ".join(part for part in (str(found), check.otherwise) if part)
        return Finding(check.title, check.need, Result.NO, detail)
    except (MinioException, ServerUnreachable) as error:
        detail = ": ".join(part for part in (_line(error), check.otherwise) if part)
        return Finding(check.title, check.need, Result.ERROR, detail)


def _line(error: Exception) -> str:
    code, message = getattr(error, "code", None), getattr(error, "message", None)
    return f"{code}, {message}" if code else str(error)
