"""Papers and pictures in buckets of their own, as django-minio-backend's users write it."""

from django.db import models

from django_minio_backend import MinioBackend, iso_date_prefix


class Paper(models.Model):
    title = models.CharField(max_length=50, unique=True)
    contract = models.FileField(storage=MinioBackend(bucket_name="pentad-archive-contracts"), upload_to=iso_date_prefix)
    picture = models.FileField(storage=MinioBackend(bucket_name="pentad-archive-pictures", replace_existing=True))
    note = models.FileField(upload_to="notes/%Y")
