"""The same after the move: STORAGES in place of the two settings that Django 5.1 removed."""

# ruff: noqa: F403, F405, F821

from archive.settings_3 import *

del DEFAULT_FILE_STORAGE, STATICFILES_STORAGE
INSTALLED_APPS = ["django_minio_backend", *[name for name in INSTALLED_APPS if name != "django_minio_backend"]]
STORAGES = {
    "default": {"BACKEND": "django_minio_backend.models.MinioBackend"},
    "staticfiles": {"BACKEND": "django_minio_backend.models.MinioBackendStatic"},
}
