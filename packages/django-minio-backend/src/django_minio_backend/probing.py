"""What a server does with conditional writes, found out by trying: some ignore the condition without a word."""

from __future__ import annotations

import logging
import secrets

from minio.error import S3Error

from django_minio_backend.deadlines import grace
from django_minio_backend.multipart import MultipartUpload, Parts
from django_minio_backend.payload import Window
from django_minio_backend.transport import Transport

__all__ = ["PASSING_STATUSES", "PROBE_PREFIX", "Prober"]

PASSING_STATUSES = frozenset({500, 502, 503, 504})
"""Statuses of failures that may be over at the next attempt."""

PROBE_PREFIX = ".conditional-write-probe-"
"""What the names of probe objects begin with."""

_log = logging.getLogger(__name__)


class Prober(Transport):
    """Tries conditions on an object of a random name, which is removed afterwards.

    Each answer is remembered by the connection, that is per process and server. A server that fails, refuses
    the credentials or does not have the bucket says nothing about conditions: the error is raised, and the next
    save tries again.
    """

    def honours_writes(self, bucket: str) -> bool:
        """Whether a PUT with `If-None-Match: *` is refused where an object exists. Three requests, once."""
        connection = self.connection
        if connection.conditional_writes is None:
            with connection.lock:
                if connection.conditional_writes is None:
                    connection.conditional_writes = self._tries_writing(bucket)
        return connection.conditional_writes

    def honours_completion(self, bucket: str) -> bool:
        """Whether completing an upload in parts with `If-None-Match: *` is. Six requests, once."""
        connection = self.connection
        if connection.conditional_completion is None:
            with connection.lock:
                if connection.conditional_completion is None:
                    connection.conditional_completion = self._tries_completing(bucket)
        return connection.conditional_completion

    def _tries_writing(self, bucket: str) -> bool:
        name = self._write_once(bucket, conditional=True)
        response = self._write(bucket, name, conditional=True)
        self._remove(bucket, name)
        return response == 412

    def _tries_completing(self, bucket: str) -> bool:
        name = self._write_once(bucket, conditional=False)
        try:
            upload = MultipartUpload(self.connection, bucket, name, {})
            return not upload.run(Window.of(b"probe"), Parts(1), conditional=True)
        except S3Error as error:
            if getattr(error.response, "status", None) in PASSING_STATUSES:
                raise
            return False  # the header is refused as such
        finally:
            self._remove(bucket, name)

    def _write_once(self, bucket: str, *, conditional: bool) -> str:
        name = f"{PROBE_PREFIX}{secrets.token_hex(8)}"
        self._write(bucket, name, conditional=conditional)
        return name

    def _write(self, bucket: str, name: str, *, conditional: bool) -> int:
        headers = {"if-none-match": "*"} if conditional else {}
        response = self.exchange("PUT", bucket, name, body=Window.of(b"probe"), headers=headers)
        if response.status in {401, 403, 404, *PASSING_STATUSES}:
            self.fail(response, bucket, "")
        return response.status

    def _remove(self, bucket: str, name: str) -> None:
        with grace():
            answer = self.exchange("DELETE", bucket, name)
        if answer.status >= 300 and answer.status != 404:
            _log.warning("The probe object %s in the bucket %s could not be removed.", name, bucket)
