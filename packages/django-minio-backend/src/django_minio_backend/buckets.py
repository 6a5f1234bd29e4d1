"""Buckets of one server: whether they exist, and who may read them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from minio.error import S3Error

from django_minio_backend.policies import public_read_policy, same_policy
from django_minio_backend.transport import explained

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_minio_backend.connection import Connection

__all__ = ["Buckets"]

_ALREADY_MINE = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}


class Buckets:
    """Creates buckets and sets their policies; each method is safe to repeat."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def ensure(self, bucket: str) -> bool:
        """Create the bucket if it is missing; return whether it was created."""
        client = self._connection.client
        with explained(self._connection):
            if client.bucket_exists(bucket):
                return False
            try:
                client.make_bucket(bucket)
            except S3Error as error:
                if error.code in _ALREADY_MINE and client.bucket_exists(bucket):
                    return False  # another process was faster
                raise
        return True

    def policy(self, bucket: str) -> dict[str, Any] | None:
        """Return the bucket's policy, or None if it has none."""
        try:
            with explained(self._connection):
                text = self._connection.client.get_bucket_policy(bucket)
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
            self._connection.client.set_bucket_policy(bucket, json.dumps(policy))
        return True

    def remove_policy(self, bucket: str) -> bool:
        """Take the bucket's policy away, so that only credentials open it; return whether there was one."""
        if self.policy(bucket) is None:
            return False
        with explained(self._connection):
            self._connection.client.delete_bucket_policy(bucket)
        return True

    def make_public(self, bucket: str, *, listing: bool = False) -> bool:
        """Let anyone read the bucket's objects; return whether that changed anything."""
        return self.set_policy(bucket, public_read_policy(bucket, listing=listing))
