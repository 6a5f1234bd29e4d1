"""django-minio-backend 4.x: OPTIONS in STORAGES."""

# ruff: noqa: F403, F405

from archive.common import *

INSTALLED_APPS = ["django_minio_backend", *INSTALLED_APPS]
PAPERS_MODELS = "papers.in_buckets"
_MINIO = {
    "MINIO_ENDPOINT": S3["ENDPOINT"],
    "MINIO_ACCESS_KEY": S3["ACCESS_KEY"],
    "MINIO_SECRET_KEY": S3["SECRET_KEY"],
    "MINIO_REGION": S3["REGION"],
    "MINIO_USE_HTTPS": False,
}
STORAGES = {
    "default": {
        "BACKEND": "django_minio_backend.models.MinioBackend",
        "OPTIONS": {
            **_MINIO,
            "MINIO_DEFAULT_BUCKET": "pentad-archive-media",
            "MINIO_PRIVATE_BUCKETS": ["pentad-archive-contracts", "pentad-archive-media"],
            "MINIO_PUBLIC_BUCKETS": ["pentad-archive-pictures"],
        },
    },
    "staticfiles": {
        "BACKEND": "django_minio_backend.models.MinioBackendStatic",
        "OPTIONS": {**_MINIO, "MINIO_STATIC_FILES_BUCKET": "pentad-archive-static"},
    },
}
