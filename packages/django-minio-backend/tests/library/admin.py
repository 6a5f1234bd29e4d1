from django.contrib import admin
from django.db import models

from django_minio_backend.uploads import DirectUploadField, DirectUploadInput
from library.models import Document


@admin.register(Document)
class DocumentAdmin(admin.ModelAdmin):
    formfield_overrides = {  # noqa: RUF012
        models.FileField: {"form_class": DirectUploadField, "widget": DirectUploadInput}
    }
