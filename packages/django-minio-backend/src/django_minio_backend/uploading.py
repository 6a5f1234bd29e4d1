"""Writing objects so that nothing is lost: a new name is only taken if it is free, a replacement is one request."""

from __future__ import annotations

import logging
import secrets
import time
from typing import TYPE_CHECKING

import urllib3

from django_minio_backend.errors import ServerUnreachable
from django_minio_backend.multipart import MultipartUpload
from django_minio_backend.payload import Window
from django_minio_backend.transport import SAVE_ID, Transport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_minio_backend.multipart import Parts
    from django_minio_backend.payload import Payload

__all__ = ["Uploader"]

_log = logging.getLogger(__name__)
_PASSING = frozenset({500, 502, 503, 504})
_PAUSES = (0.2, 0.5, 1.0)


class Uploader(Transport):
    """Puts whole objects into buckets of one server."""

    def replace(
        self, bucket: str, name: str, body: Payload, headers: Mapping[str, str], parts: Parts | None = None
    ) -> None:
        """Store the object, replacing any other of its name. The old one stays until the new one is complete."""
        if parts is None:
            self.request("PUT", bucket, name, body=body, headers=headers)
        else:
            MultipartUpload(self.connection, bucket, name, headers).run(body, parts, conditional=False)

    def create(
        self, bucket: str, name: str, body: Payload, headers: Mapping[str, str], parts: Parts | None = None
    ) -> bool:
        """Store the object unless the name is taken; return whether it was stored."""
        conditional = self._honours_conditions(bucket)
        if conditional and parts is None:
            return self._create_if_none_matches(bucket, name, body, headers)
        if self._exists(bucket, name):
            return False
        if parts is not None:
            upload = MultipartUpload(self.connection, bucket, name, headers)
            return upload.run(body, parts, conditional=conditional)
        self.replace(bucket, name, body, headers)
        return True

    def _create_if_none_matches(self, bucket: str, name: str, body: Payload, headers: Mapping[str, str]) -> bool:
        """Send the conditional request; again after failures that leave open whether it was carried out."""
        save_id = secrets.token_hex(16)
        conditional = {**headers, SAVE_ID: save_id, "if-none-match": "*"}
        uncertain = False
        for pause in (*_PAUSES, None):
            start = body.tell()
            try:
                response = self.exchange(
                    "PUT", bucket, name, body=body, headers=conditional, retries=_only_connecting()
                )
            except ServerUnreachable:
                if pause is None:
                    raise
            else:
                if response.status == 412:
                    return uncertain and self._is_mine(bucket, name, save_id)
                if response.status < 300:
                    return True
                if pause is None or not _worth_repeating(response):
                    self.fail(response, bucket, name)
            uncertain = True
            time.sleep(pause or 0)
            body.seek(start)
        raise AssertionError  # the last round returns or raises

    def _is_mine(self, bucket: str, name: str, save_id: str) -> bool:
        return self.exchange("HEAD", bucket, name).headers.get(SAVE_ID) == save_id

    def _exists(self, bucket: str, name: str) -> bool:
        response = self.exchange("HEAD", bucket, name)
        if response.status not in {200, 404}:
            self.fail(response, bucket, name)
        return response.status == 200

    def _honours_conditions(self, bucket: str) -> bool:
        """Find out once per process and server whether `If-None-Match: *` is honoured."""
        connection = self.connection
        if connection.conditional_writes is None:
            with connection.lock:
                if connection.conditional_writes is None:
                    connection.conditional_writes = self._probe(bucket)
        return connection.conditional_writes

    def _probe(self, bucket: str) -> bool:
        """Write an object of a random name twice under the condition; the second must be refused."""
        name = f".conditional-write-probe-{secrets.token_hex(8)}"
        for _ in range(2):
            body = Window.of(b"probe")
            response = self.exchange("PUT", bucket, name, body=body, headers={"if-none-match": "*"})
            if response.status == 404 or response.status in _PASSING:
                self.fail(response, bucket, "")
        self._remove_probe(bucket, name)
        return response.status == 412

    def _remove_probe(self, bucket: str, name: str) -> None:
        answer = self.exchange("DELETE", bucket, name)
        if answer.status >= 300 and answer.status != 404:
            _log.warning("The probe object %s in the bucket %s could not be removed.", name, bucket)


def _only_connecting() -> urllib3.Retry:
    """Repeat what surely sent nothing; everything else is for the caller to judge."""
    return urllib3.Retry(connect=2, read=0, redirect=0, status=0, other=0, backoff_factor=0.2, raise_on_status=False)


def _worth_repeating(response: urllib3.BaseHTTPResponse) -> bool:
    """Tell whether the answer was a passing failure, or a conflict with a write under way (AWS: 409)."""
    conflict = response.status == 409 and b"ConditionalRequestConflict" in (response.data or b"")
    return conflict or response.status in _PASSING
