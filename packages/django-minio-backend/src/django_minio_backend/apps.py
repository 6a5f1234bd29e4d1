"""The Django app: settings are checked when Django starts."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.core.checks import register

__all__ = ["DjangoMinioBackendConfig"]


class DjangoMinioBackendConfig(AppConfig):
    """Validates every configured storage at start, and creates its buckets if the settings ask for that."""

    name = "django_minio_backend"
    verbose_name = "MinIO storage"

    def ready(self) -> Any:
        """Check the settings. Raises ConfigurationError or PrivatePublicMixedError; returns True."""
        from django_minio_backend.checks import check_settings
        from django_minio_backend.configured import configured_storages
        from django_minio_backend.initializing import initialize

        register(check_settings)
        storages = configured_storages(subclasses=False)
        for storage in storages:
            storage.validate_settings()
        initialize([one for one in storages if one.options.get("MINIO_CONSISTENCY_CHECK_ON_START")])
        return True
