"""What a storage can do to its server besides files: health, buckets, policies."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from django_minio_backend.buckets import Buckets
from django_minio_backend.configuration import ConfiguredStorage
from django_minio_backend.health import MinioServerStatus, server_status
from django_minio_backend.planning import changes_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_minio_backend.declarations import BucketDeclaration

__all__ = ["Administration"]


class Administration(ConfiguredStorage):
    """The methods of `MinioBackend` that concern whole buckets and the server."""

    def is_minio_available(self, timeout: float = 5.0) -> MinioServerStatus:
        """Return whether the server answers within `timeout` seconds, as an object that is true or false.

        No credentials are sent; `.details` says what was found.
        """
        return server_status(self.connection, timeout)

    def check_bucket_existence(self) -> None:
        """Create the storage's bucket if it is missing."""
        Buckets(self.connection).ensure(self.bucket)

    def check_bucket_existences(self, max_workers: int | None = None) -> None:
        """Create every declared bucket that is missing, several at a time.

        Raises one Exception that names each bucket that could not be created.
        """
        names = self.declared_buckets()
        buckets = Buckets(self.connection)
        with ThreadPoolExecutor(max_workers or min(len(names), 10) or 1) as pool:
            tasks = {name: pool.submit(buckets.ensure, name) for name in names}
        failed = {name: error for name, task in tasks.items() if (error := task.exception()) is not None}
        if failed:
            listed = "; ".join(f"{name}: {error}" for name, error in failed.items())
            raise Exception(f"These buckets could not be checked or created: {listed}")  # noqa: TRY002  documented

    def declared_buckets(self) -> list[str]:
        """Return every bucket of the settings once, the storage's own included."""
        return list(dict.fromkeys([*self.PUBLIC_BUCKETS, *self.PRIVATE_BUCKETS, self.bucket]))

    def initialize_bucket(self, bucket: str) -> None:
        """Create a bucket if it is missing and give it all that is declared for it, the hook's policy included."""
        for _, changes in changes_of([self], only=bucket):
            for change in changes:
                change.apply()

    def policy_hooks(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the configured hooks: bucket and policy."""
        return [(bucket, policy) for bucket, policy in self.options.get("MINIO_POLICY_HOOKS")]

    def bucket_declarations(self) -> Mapping[str, BucketDeclaration]:
        """Return what the settings declare for buckets: versioning, lifecycle, CORS, policy."""
        declarations: Mapping[str, BucketDeclaration] = self.options.get("MINIO_BUCKETS")
        return declarations

    def set_bucket_policy(self, bucket: str, policy: Mapping[str, Any]) -> None:
        """Give a bucket a policy, as a dictionary in the language of S3 policies."""
        Buckets(self.connection).set_policy(bucket, policy)

    def set_bucket_to_public(self) -> None:
        """Let anyone read the objects of the storage's bucket; names can be listed only if the settings say so."""
        listing = bool(self.options.get("MINIO_PUBLIC_LISTING"))
        Buckets(self.connection).make_public(self.bucket, listing=listing)
