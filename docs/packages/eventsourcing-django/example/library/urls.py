"""Addresses of the example project."""

from django.contrib import admin
from django.urls import path

from lending import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("books/", views.books),
    path("books/<uuid:book_id>/", views.book),
    path("books/<uuid:book_id>/lend/", views.lend),
]
