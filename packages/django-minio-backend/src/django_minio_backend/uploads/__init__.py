"""Uploads that go from the browser straight to the S3 server: form fields, widgets and what they give.

`django_minio_backend.uploads.urls` has the addresses that the widget asks, `django_minio_backend.uploads.middleware`
the middleware that says whose upload it is.
"""

from django_minio_backend.stored import DirectUpload, UploadAlreadyUsed
from django_minio_backend.uploads.fields import DirectUploadField, MultipleDirectUploadField
from django_minio_backend.uploads.widgets import DirectUploadInput, MultipleDirectUploadInput

__all__ = [
    "DirectUpload",
    "DirectUploadField",
    "DirectUploadInput",
    "MultipleDirectUploadField",
    "MultipleDirectUploadInput",
    "UploadAlreadyUsed",
]
