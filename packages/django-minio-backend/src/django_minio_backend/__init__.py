"""Django file storage on MinIO and other S3 servers."""

from django_minio_backend import sdk as _sdk  # first: another import could fail for the reason that it explains
from django_minio_backend.apps import DjangoMinioBackendConfig
from django_minio_backend.models import MinioBackend, MinioBackendStatic, get_iso_date, iso_date_prefix

__all__ = [
    "DjangoMinioBackendConfig",
    "MinioBackend",
    "MinioBackendStatic",
    "get_iso_date",
    "iso_date_prefix",
]

del _sdk
