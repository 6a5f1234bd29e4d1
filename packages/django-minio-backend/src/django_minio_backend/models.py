"""The documented import place of the storages. There are no database models here."""

from django_minio_backend.dates import get_iso_date, iso_date_prefix
from django_minio_backend.reading import S3File
from django_minio_backend.static import MinioBackendStatic
from django_minio_backend.storage import MinioBackend

__all__ = ["MinioBackend", "MinioBackendStatic", "S3File", "get_iso_date", "iso_date_prefix"]
