"""django-storages on S3: one bucket each for papers, pictures and static files."""

# ruff: noqa: F403, F405

from archive.common import *

PAPERS_MODELS = "papers.in_storages"
PAPERS_FOLDER = ""
_S3 = {
    "endpoint_url": f"http://{S3['ENDPOINT']}",
    "access_key": S3["ACCESS_KEY"],
    "secret_key": S3["SECRET_KEY"],
    "region_name": S3["REGION"],
    "addressing_style": "path",
}
_PUBLIC = {"querystring_auth": False}
_BACKEND = "storages.backends.s3.S3Storage"
STORAGES = {
    "default": {
        "BACKEND": _BACKEND,
        "OPTIONS": {**_S3, "bucket_name": "pentad-archive-contracts", "location": "media", "file_overwrite": False},
    },
    "pictures": {"BACKEND": _BACKEND, "OPTIONS": {**_S3, **_PUBLIC, "bucket_name": "pentad-archive-pictures"}},
    "staticfiles": {
        "BACKEND": "storages.backends.s3.S3StaticStorage",
        "OPTIONS": {**_S3, **_PUBLIC, "bucket_name": "pentad-archive-static"},
    },
}
