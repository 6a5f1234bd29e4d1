"""Buckets of one server: whether they exist, who may read them, what happens to old objects."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

from minio.error import S3Error

from django_minio_backend.bucket_documents import (
    cors_document,
    cors_rules,
    lifecycle_document,
    lifecycle_rules,
    versioning_document,
    versioning_of,
)
from django_minio_backend.errors import s3_error
from django_minio_backend.payload import Window
from django_minio_backend.policies import public_read_policy, same_policy
from django_minio_backend.transport import Transport, explained

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_minio_backend.connection import Connection
    from django_minio_backend.declarations import CorsRule, LifecycleRule

__all__ = ["Buckets"]

_NO_CONFIGURATION = {"NoSuchLifecycleConfiguration", "NoSuchCORSConfiguration"}
_ALREADY_MINE = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}


class Buckets:
    """Creates buckets and sets their policies; each method is safe to repeat."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def exists(self, bucket: str) -> bool:
        """Tell whether the bucket exists."""
        with explained(self._connection):
            return bool(self._connection.ask(lambda sdk: sdk.bucket_exists(bucket)))

    def ensure(self, bucket: str) -> bool:
        """Create the bucket if it is missing; return whether it was created."""
        if self.exists(bucket):
            return False
        try:
            with explained(self._connection):
                self._connection.ask(lambda sdk: sdk.make_bucket(bucket))
        except S3Error as error:
            if error.code in _ALREADY_MINE and self.exists(bucket):
                return False  # another process was faster
            raise
        return True

    def policy(self, bucket: str) -> dict[str, Any] | None:
        """Return the bucket's policy, or None if it has none."""
        try:
            with explained(self._connection):
                text = self._connection.ask(lambda sdk: sdk.get_bucket_policy(bucket))
        except S3Error as error:
            if error.code == "NoSuchBucketPolicy":
                return None
            raise
        policy: dict[str, Any] | None = json.loads(text) if text else None
        return policy

    def set_policy(self, bucket: str, policy: Mapping[str, Any]) -> bool:
        """Give the bucket this policy; return whether that changed anything."""
        if same_policy(self.policy(bucket), policy):
            return False
        with explained(self._connection):
            self._connection.ask(lambda sdk: sdk.set_bucket_policy(bucket, json.dumps(policy)))
        return True

    def remove_policy(self, bucket: str) -> bool:
        """Take the bucket's policy away, so that only credentials open it; return whether there was one."""
        if self.policy(bucket) is None:
            return False
        with explained(self._connection):
            self._connection.ask(lambda sdk: sdk.delete_bucket_policy(bucket))
        return True

    def make_public(self, bucket: str, *, listing: bool = False) -> bool:
        """Let anyone read the bucket's objects; return whether that changed anything."""
        return self.set_policy(bucket, public_read_policy(bucket, listing=listing))

    def versioning(self, bucket: str) -> bool:
        """Tell whether replaced and deleted versions are kept."""
        document = self._document(bucket, "versioning")
        return document is not None and versioning_of(document)

    def set_versioning(self, bucket: str, enabled: bool) -> None:
        """Enable or suspend versioning."""
        self._put(bucket, "versioning", versioning_document(enabled))

    def lifecycle(self, bucket: str) -> tuple[LifecycleRule, ...]:
        """Return the rules for old objects."""
        document = self._document(bucket, "lifecycle")
        return () if document is None else lifecycle_rules(document)

    def set_lifecycle(self, bucket: str, rules: tuple[LifecycleRule, ...]) -> None:
        """Give the bucket these rules in place of all others; an empty tuple removes them."""
        self._put(bucket, "lifecycle", lifecycle_document(rules) if rules else None)

    def cors(self, bucket: str) -> tuple[CorsRule, ...]:
        """Return the rules for pages of other sites."""
        document = self._document(bucket, "cors")
        return () if document is None else cors_rules(document)

    def set_cors(self, bucket: str, rules: tuple[CorsRule, ...]) -> None:
        """Give the bucket these rules in place of all others; an empty tuple removes them."""
        self._put(bucket, "cors", cors_document(rules) if rules else None)

    def _document(self, bucket: str, kind: str) -> bytes | None:
        """Return a configuration of the bucket, or None if it has none."""
        transport = Transport(self._connection)
        answer = transport.exchange("GET", bucket, query=[(kind, "")])
        if answer.status == 404 and s3_error(answer, bucket).code in _NO_CONFIGURATION:
            return None
        if answer.status >= 300:
            transport.fail(answer, bucket, "")
        return answer.data

    def _put(self, bucket: str, kind: str, document: bytes | None) -> None:
        transport, query = Transport(self._connection), [(kind, "")]
        if document is None:
            transport.request("DELETE", bucket, query=query)
            return
        digest = base64.b64encode(hashlib.md5(document, usedforsecurity=False).digest()).decode()
        headers = {"content-type": "application/xml", "content-md5": digest}  # demanded by the S3 API
        transport.request("PUT", bucket, query=query, headers=headers, body=Window.of(document))
