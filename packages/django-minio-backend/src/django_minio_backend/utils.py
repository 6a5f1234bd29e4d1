"""The documented import place of errors, status and settings look-up."""

from django_minio_backend.errors import ConfigurationError, PrivatePublicMixedError
from django_minio_backend.health import MinioServerStatus
from django_minio_backend.options import get_setting, get_storages_setting

__all__ = [
    "ConfigurationError",
    "MinioServerStatus",
    "PrivatePublicMixedError",
    "get_setting",
    "get_storages_setting",
]
