from django.contrib import admin
from django.db import models

from django_minio_backend.uploads import DirectUploadField, DirectUploadInput
from films.models import Film


@admin.register(Film)
class FilmAdmin(admin.ModelAdmin):
    formfield_overrides = {
        models.FileField: {
            "form_class": DirectUploadField,
            "widget": DirectUploadInput,
            "max_size": 20 * 1024**3,
            "content_types": ["video/*"],
        }
    }
