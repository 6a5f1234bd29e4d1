"""Addresses of the catalogue; the front door passes on everything below /catalogue/."""

from django.contrib import admin
from django.urls import include, path

from portal.catalogue.datasets import curation_views, health, views

urlpatterns = [
    path("catalogue/", views.catalogue, name="catalogue"),
    path("catalogue/health", health.health, name="health"),
    path("catalogue/facts", health.facts, name="facts"),
    path("catalogue/uploads/", include("django_minio_backend.uploads.urls")),
    path("catalogue/events/", admin.site.urls),
    path("catalogue/new", curation_views.register, name="register"),
    path("catalogue/<uuid:dataset_id>/", views.dataset_page, name="dataset"),
    path("catalogue/<uuid:dataset_id>/timeline", views.timeline, name="timeline"),
    path("catalogue/<uuid:dataset_id>/download", views.download, name="download"),
    path("catalogue/<uuid:dataset_id>/describe", curation_views.describe, name="describe"),
    path("catalogue/<uuid:dataset_id>/approve", curation_views.approve, name="approve"),
]
handler400 = "portal.catalogue.datasets.pages.not_understood"
handler404 = "portal.catalogue.datasets.pages.not_found"
handler403 = "portal.catalogue.datasets.pages.forbidden"
handler500 = "portal.catalogue.datasets.pages.broken"
