"""Papers in the default storage and pictures in another, as django-storages' users write it."""

from django.conf import settings
from django.core.files.storage import storages
from django.db import models


def pictures():
    return storages["pictures"]


class Paper(models.Model):
    title = models.CharField(max_length=50, unique=True)
    contract = models.FileField(upload_to=f"{settings.PAPERS_FOLDER}contracts")
    picture = models.FileField(storage=pictures)
    note = models.FileField(upload_to=f"{settings.PAPERS_FOLDER}notes/%Y")
