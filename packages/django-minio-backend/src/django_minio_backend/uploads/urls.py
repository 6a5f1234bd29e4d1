"""The addresses that the widget asks: `path("uploads/", include("django_minio_backend.uploads.urls"))`."""

from __future__ import annotations

from django.urls import path

from django_minio_backend.uploads import views

__all__ = ["app_name", "urlpatterns"]

app_name = "django_minio_backend_uploads"
urlpatterns = [
    path("start/", views.start, name="start"),
    path("parts/", views.parts, name="parts"),
    path("complete/", views.complete, name="complete"),
    path("abort/", views.abort, name="abort"),
]
