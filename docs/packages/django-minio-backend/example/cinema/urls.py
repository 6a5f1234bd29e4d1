"""Addresses of the example project."""

from django.contrib import admin
from django.urls import include, path

from films.views import AddFilm

urlpatterns = [
    path("", AddFilm.as_view()),
    path("uploads/", include("django_minio_backend.uploads.urls")),
    path("admin/", admin.site.urls),
]
