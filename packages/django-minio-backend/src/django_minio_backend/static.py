"""`MinioBackendStatic`: static files in a bucket of their own."""

from __future__ import annotations

from typing import Any

from django_minio_backend.storage import MinioBackend

__all__ = ["MinioBackendStatic"]


class MinioBackendStatic(MinioBackend):
    """A storage for `collectstatic`: the bucket is MINIO_STATIC_FILES_BUCKET, and anyone may read it.

    A bucket that is declared private stays private; its links are presigned. Building it sends no request:
    `initialize_buckets`, or MINIO_CONSISTENCY_CHECK_ON_START, creates the bucket.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("storage_name", "staticfiles")
        super().__init__(*args, **kwargs)

    def _default_bucket(self) -> str:
        return self.MINIO_STATIC_FILES_BUCKET

    def _check_declared(self, *, explicit: bool) -> None:
        """Static files need no declaration: undeclared means public."""
        if self.bucket in self.options.private_buckets:
            super()._check_declared(explicit=explicit)

    @property
    def PRIVATE_BUCKETS(self) -> list[str]:  # noqa: N802  the documented name
        """The buckets declared private."""
        return self.options.private_buckets

    @property
    def PUBLIC_BUCKETS(self) -> list[str]:  # noqa: N802  the documented name
        """The buckets declared public, and the static files' one unless it is declared private."""
        declared = self.options.public_buckets
        added = self.bucket not in {*declared, *self.options.private_buckets}
        return [*declared, self.bucket] if added else declared
