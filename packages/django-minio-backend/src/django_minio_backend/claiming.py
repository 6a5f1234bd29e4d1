"""Taking a name on a server that ignores the conditions of a write, without two saves ever sharing it."""

from __future__ import annotations

import hashlib
import logging
import secrets
from typing import TYPE_CHECKING, Self
from xml.etree import ElementTree as ET

from django_minio_backend.deadlines import grace
from django_minio_backend.errors import ServerUnreachable
from django_minio_backend.payload import Window
from django_minio_backend.transport import Transport

if TYPE_CHECKING:
    from types import TracebackType

    from django_minio_backend.connection import Connection

__all__ = ["CLAIMS", "Claim"]

CLAIMS = ".save-claims/"
"""The prefix of claims: empty objects that are there while a save of a name is under way."""

_log = logging.getLogger(__name__)


class Claim(Transport):
    """An object that says that a save wants a name, for the time of a `with` block.

    A save writes its claim, then lists the claims for the name, and goes on only if it sees no other. Of two
    saves at the same instant the one that listed later sees the claim of the other, whatever happens in between, or
    sees the object that the other has stored before it withdrew its claim. Both may give way; both storing is
    impossible as long as listings show what was written before, which S3 promises.

    A claim stays where the server may still be writing, after an answer that never came, and where a process is
    killed: it keeps its one name from being used again, and nothing else.
    """

    def __init__(self, connection: Connection, bucket: str, name: str) -> None:
        super().__init__(connection)
        self._bucket = bucket
        self._prefix = f"{CLAIMS}{hashlib.sha256(name.encode()).hexdigest()[:32]}/"
        self._own = self._prefix + secrets.token_hex(16)

    def __enter__(self) -> Self:
        self.request("PUT", self._bucket, self._own, body=Window.of(b""))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Withdraw the claim, unless the write may still happen. A failure is only logged: the save is decided."""
        if isinstance(error, ServerUnreachable):
            _log.warning("The claim %s stays in the bucket %s: the server may still write.", self._own, self._bucket)
            return
        try:
            with grace():
                self.request("DELETE", self._bucket, self._own)
        except Exception as problem:  # noqa: BLE001
            _log.warning("The claim %s in the bucket %s could not be removed: %s", self._own, self._bucket, problem)

    def is_alone(self) -> bool:
        """Whether no other save wants the name."""
        query = [("list-type", "2"), ("prefix", self._prefix), ("max-keys", "2")]
        answer = self.request("GET", self._bucket, query=query)
        found = [key.text for key in ET.fromstring(answer.data).iter() if key.tag.rpartition("}")[2] == "Key"]  # noqa: S314  own server
        return found == [self._own]
