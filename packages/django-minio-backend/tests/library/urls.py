from django.contrib import admin
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import include, path

from library.forms import AlbumForm, DocumentForm, PictureForm


def documents(request):
    form = DocumentForm(request.POST or None, request.FILES or None)
    if form.is_valid():
        return HttpResponse(form.save().file.name)
    return page(request, form)


def pictures(request):
    form = PictureForm(request.POST or None, request.FILES or None)
    if form.is_valid():
        return HttpResponse(str(form.cleaned_data["picture"]))
    return page(request, form)


def albums(request):
    form = AlbumForm(request.POST or None, request.FILES or None)
    if form.is_valid():
        return HttpResponse(", ".join(file.name for file in form.cleaned_data["pictures"]))
    return page(request, form)


def page(request, form):
    response = render(request, "page.html", {"form": form})
    response["Content-Security-Policy"] = "default-src 'self'; connect-src 'self' http://127.0.0.1:*"
    return response


urlpatterns = [
    path("documents/", documents),
    path("pictures/", pictures),
    path("albums/", albums),
    path("admin/", admin.site.urls),
    path("uploads/", include("django_minio_backend.uploads.urls")),
]
