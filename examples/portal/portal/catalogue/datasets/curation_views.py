"""The pages of the curation: register, describe, approve."""

import hashlib
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods
from eventsourcing.persistence import IntegrityError

from django_minio_backend import iso_date_prefix
from portal.catalogue.datasets.curation import CurationError
from portal.catalogue.datasets.forms import DescribeForm, RegisterForm
from portal.catalogue.datasets.models import DataFile
from portal.catalogue.datasets.pages import curation, page, signed_in, visitor_of
from portal.catalogue.datasets.views import may_prepare, readable
from portal.settings import catalogue_settings
from portal.web.headers import upload_policy


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def register(request: HttpRequest) -> HttpResponse:
    """Deposit a file under a title."""
    form = RegisterForm(request.POST or None, request.FILES or None)
    if request.method != "POST" or not form.is_valid():
        response = page(request, "register.html", status=422 if form.is_bound else 200, form=form)
        response.headers["Content-Security-Policy"] = upload_policy(catalogue_settings())
        return response
    visitor = visitor_of(request)
    by = visitor.name if visitor else ""
    dataset_id = deposit(form.cleaned_data["title"], form.cleaned_data["file"], form.profile, by)
    return HttpResponseRedirect(reverse("describe", args=[dataset_id]))


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def describe(request: HttpRequest, dataset_id: UUID) -> HttpResponse:
    """Say what the data are."""
    visitor = visitor_of(request)
    dataset = readable(dataset_id, visitor)
    if visitor is None or not may_prepare(dataset, visitor):
        raise PermissionDenied("Only the depositor or a curator can describe this data set.")
    known = {"summary": dataset.summary, "keywords": ", ".join(dataset.keywords), "licence": dataset.licence}
    form = DescribeForm(request.POST or None, initial=known)
    if request.method != "POST" or not form.is_valid():
        status = 422 if form.is_bound else 200
        return page(request, "describe.html", status=status, form=form, dataset=dataset)
    return _step(request, dataset_id, curation().describe, **form.cleaned_data, by=visitor.name)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def approve(request: HttpRequest, dataset_id: UUID) -> HttpResponse:
    """Open a described data set to everyone; who comes here from signing in sees it first."""
    visitor = visitor_of(request)
    readable(dataset_id, visitor)
    if request.method != "POST":
        return HttpResponseRedirect(reverse("dataset", args=[dataset_id]))
    if visitor is None or not visitor.is_curator:
        raise PermissionDenied("Only a curator can approve a data set.")
    return _step(request, dataset_id, curation().approve, by=visitor.name, seen=_version_seen(request))


def deposit(title: str, file: "UploadedFile[Any]", profile: dict[str, Any], by: str) -> UUID:
    """Store the file and register the data set: the file's row and the event commit together, or neither."""
    digest = _sha256(file)
    with transaction.atomic():
        stored = DataFile(sha256=digest, uploaded_by=by)
        stored.file.save(iso_date_prefix(stored, f"{digest[:12]}/{file.name}"), file)
        return curation().register(
            title=title,
            file_key=stored.file.name,
            file_name=file.name,
            file_size=file.size,
            sha256=digest,
            profile=profile,
            registered_by=by,
        )


def _sha256(file: "UploadedFile[Any]") -> str:
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    file.seek(0)
    return digest.hexdigest()


def _step(request: HttpRequest, dataset_id: UUID, act: Any, **arguments: Any) -> HttpResponse:
    """Record one step of the curation, with the snapshot that may be due, or say why it is not possible now."""
    try:
        with transaction.atomic():
            act(dataset_id, **arguments)
    except CurationError as error:
        return _conflict(request, dataset_id, str(error))
    except IntegrityError:
        text = "Somebody else changed this data set at the same moment. Look at it once more."
        return _conflict(request, dataset_id, text)
    return HttpResponseRedirect(reverse("dataset", args=[dataset_id]))


def _version_seen(request: HttpRequest) -> int:
    """The version that the form was made for; none has the number 0."""
    try:
        return int(request.POST.get("version", ""))
    except ValueError:
        return 0


def _conflict(request: HttpRequest, dataset_id: UUID, text: str) -> HttpResponse:
    back = (reverse("dataset", args=[dataset_id]), "Back to the data set")
    return page(request, "message.html", status=409, title="Not possible now", text=text, back=back)
