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
        """Check the settings of all storages, credentials and certificate authorities included; return True.

        Raises ConfigurationError or PrivatePublicMixedError that names everything that is wrong.
        """
        from django_minio_backend.checks import check_settings
        from django_minio_backend.configured import check_configured, configured_storages
        from django_minio_backend.initializing import initialize
        from django_minio_backend.uploads.checks import check_uploads

        register(check_settings)
        register(check_uploads)
        check_configured()
        storages = configured_storages(subclasses=False)
        for storage in storages:
            storage.validate_settings()
        initialize([one for one in storages if one.options.get("MINIO_CONSISTENCY_CHECK_ON_START")])
        return True
