from django.core.files.storage import storages
from django.db import models


def media_storage():
    return storages["default"]


class Document(models.Model):
    file = models.FileField(storage=media_storage, upload_to="documents", max_length=60)

    def __str__(self):
        return self.file.name
