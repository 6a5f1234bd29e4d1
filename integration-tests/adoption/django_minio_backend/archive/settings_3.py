"""django-minio-backend 3.x on Django 4.2: everything is global."""

# ruff: noqa: F403, F405

from archive.common import *

INSTALLED_APPS += ["django_minio_backend"]
PAPERS_MODELS = "papers.in_buckets"
DEFAULT_FILE_STORAGE = "django_minio_backend.models.MinioBackend"
STATICFILES_STORAGE = "django_minio_backend.models.MinioBackendStatic"
MINIO_ENDPOINT = S3["ENDPOINT"]
MINIO_ACCESS_KEY = S3["ACCESS_KEY"]
MINIO_SECRET_KEY = S3["SECRET_KEY"]
MINIO_REGION = S3["REGION"]
MINIO_USE_HTTPS = False
MINIO_PRIVATE_BUCKETS = ["pentad-archive-contracts", "pentad-archive-media"]
MINIO_PUBLIC_BUCKETS = ["pentad-archive-pictures", "pentad-archive-static"]
MINIO_MEDIA_FILES_BUCKET = "pentad-archive-media"
MINIO_STATIC_FILES_BUCKET = "pentad-archive-static"
