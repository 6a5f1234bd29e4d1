"""The same after the move, on the same buckets."""

# ruff: noqa: F403, F405

from archive.common import *

INSTALLED_APPS = ["django_minio_backend", *INSTALLED_APPS]
PAPERS_MODELS = "papers.in_storages"
PAPERS_FOLDER = "media/"  # what was the location of the default storage
_MINIO = {
    "MINIO_ENDPOINT": S3["ENDPOINT"],
    "MINIO_USE_HTTPS": False,
    "MINIO_ACCESS_KEY": S3["ACCESS_KEY"],
    "MINIO_SECRET_KEY": S3["SECRET_KEY"],
    "MINIO_REGION": S3["REGION"],
    "MINIO_URL_EXPIRY_HOURS": 1,
}
_BACKEND = "django_minio_backend.models.MinioBackend"
STORAGES = {
    "default": {
        "BACKEND": _BACKEND,
        "OPTIONS": {
            **_MINIO, "bucket_name": "pentad-archive-contracts", "MINIO_PRIVATE_BUCKETS": ["pentad-archive-contracts"],
        },
    },
    "pictures": {
        "BACKEND": _BACKEND,
        "OPTIONS": {
            **_MINIO, "bucket_name": "pentad-archive-pictures", "MINIO_PUBLIC_BUCKETS": ["pentad-archive-pictures"],
            "replace_existing": True,
        },
    },
    "staticfiles": {
        "BACKEND": "django_minio_backend.models.MinioBackendStatic",
        "OPTIONS": {**_MINIO, "MINIO_STATIC_FILES_BUCKET": "pentad-archive-static"},
    },
}  # fmt: skip
