"""Writing objects so that nothing is lost: a new name is only taken if it is free, a replacement is one request."""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING

from django_minio_backend.claiming import Claim
from django_minio_backend.deadlines import BoundedRetry, grace, pause
from django_minio_backend.errors import DeadlineExceeded, ServerUnreachable
from django_minio_backend.multipart import MultipartUpload
from django_minio_backend.payload import Window
from django_minio_backend.probing import PASSING_STATUSES, Prober
from django_minio_backend.transport import SAVE_ID, Body, Transport

if TYPE_CHECKING:
    from collections.abc import Mapping

    import urllib3

    from django_minio_backend.multipart import Parts
    from django_minio_backend.payload import Payload

__all__ = ["Uploader"]

_log = logging.getLogger(__name__)
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
        """Store the object unless the name is taken; return whether it was stored.

        How depends on what the server can do: by a condition of the one request or of the last one, over an
        empty object that took the name by a condition, or under a claim.
        """
        prober = Prober(self.connection)
        if not prober.honours_writes(bucket):
            return self._create_under_claim(bucket, name, body, headers, parts)
        if parts is None:
            return self._create_if_none_matches(bucket, name, body, headers)
        if not prober.honours_completion(bucket):
            return self._create_over_placeholder(bucket, name, body, headers, parts)
        if self._exists(bucket, name):
            return False
        return MultipartUpload(self.connection, bucket, name, headers).run(body, parts, conditional=True)

    def _create_by_replacing(
        self, bucket: str, name: str, body: Payload, headers: Mapping[str, str], parts: Parts | None
    ) -> bool:
        """Take the name by something empty of its own, if it is free, and replace that."""
        if Prober(self.connection).honours_writes(bucket):
            return self._create_over_placeholder(bucket, name, body, headers, parts)
        return self._create_under_claim(bucket, name, body, headers, parts)

    def _create_under_claim(
        self, bucket: str, name: str, body: Payload, headers: Mapping[str, str], parts: Parts | None
    ) -> bool:
        with Claim(self.connection, bucket, name) as claim:
            free = claim.is_alone() and not self._exists(bucket, name)
            if free:
                self.replace(bucket, name, body, headers, parts)
        return free

    def _create_over_placeholder(
        self, bucket: str, name: str, body: Payload, headers: Mapping[str, str], parts: Parts | None
    ) -> bool:
        save_id = secrets.token_hex(16)
        if not self._create_if_none_matches(bucket, name, Window.of(b""), headers, save_id):
            return False
        try:
            self.replace(bucket, name, body, headers, parts)
        except BaseException:
            self._remove_placeholder(bucket, name, save_id)
            raise
        return True

    def _remove_placeholder(self, bucket: str, name: str, save_id: str) -> None:
        """Free the name again. A failure is only logged: the error that led here matters more."""
        try:
            with grace():
                if self._is_mine(bucket, name, save_id):
                    self.request("DELETE", bucket, name)
        except Exception as error:  # noqa: BLE001
            _log.warning("The empty object %s stays in the bucket %s: %s", name, bucket, error)

    def _create_if_none_matches(
        self, bucket: str, name: str, body: Body, headers: Mapping[str, str], save_id: str | None = None
    ) -> bool:
        """Send the conditional request; again after failures that leave open whether it was carried out."""
        save_id = save_id or secrets.token_hex(16)
        conditional = {**headers, SAVE_ID: save_id, "if-none-match": "*"}
        uncertain = False
        for wait in (*_PAUSES, None):
            start = body.tell()
            try:
                response = self.exchange(
                    "PUT", bucket, name, body=body, headers=conditional, retries=_only_connecting()
                )
            except ServerUnreachable as error:
                if wait is None or isinstance(error, DeadlineExceeded):
                    raise
            else:
                if response.status == 412:
                    return uncertain and self._is_mine(bucket, name, save_id)
                if response.status < 300:
                    return True
                if wait is None or not _worth_repeating(response):
                    self.fail(response, bucket, name)
            uncertain = True
            pause(wait or 0)
            body.seek(start)
        raise AssertionError  # the last round returns or raises

    def _is_mine(self, bucket: str, name: str, save_id: str) -> bool:
        return self.exchange("HEAD", bucket, name).headers.get(SAVE_ID) == save_id

    def _exists(self, bucket: str, name: str) -> bool:
        response = self.exchange("HEAD", bucket, name)
        if response.status not in {200, 404}:
            self.fail(response, bucket, name)
        return response.status == 200


def _only_connecting() -> BoundedRetry:
    """Repeat what surely sent nothing; everything else is for the caller to judge."""
    return BoundedRetry(connect=2, read=0, redirect=0, status=0, other=0, backoff_factor=0.2, raise_on_status=False)


def _worth_repeating(response: urllib3.BaseHTTPResponse) -> bool:
    """Tell whether the answer was a passing failure, or a conflict with a write under way (AWS: 409)."""
    conflict = response.status == 409 and b"ConditionalRequestConflict" in (response.data or b"")
    return conflict or response.status in PASSING_STATUSES
