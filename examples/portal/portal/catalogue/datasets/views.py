"""The pages that readers see: the catalogue, a data set, its download."""

from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_safe

from portal.catalogue.datasets.curation import Curation, Dataset
from portal.catalogue.datasets.models import DEPOSITOR, IS_RELEASE_2, SearchEntry, private_files, public_previews
from portal.catalogue.datasets.pages import curation, page, signed_in, visitor_of
from portal.catalogue.datasets.search_feed import preview_name
from portal.identity import Visitor


@require_safe
def catalogue(request: HttpRequest) -> HttpResponse:
    """Approved data sets, found by words; and what waits for this visitor."""
    query = request.GET.get("q", "").replace("\0", "").strip()[:100]  # PostgreSQL's text has no place for NUL
    return page(
        request,
        "catalogue.html",
        query=query,
        entries=list(_found(query)),
        desk=list(_desk(visitor_of(request))),
        shows_licence=IS_RELEASE_2,
    )


@require_safe
def dataset_page(request: HttpRequest, dataset_id: UUID) -> HttpResponse:
    """One data set: straight from its events, so a change shows at once."""
    visitor = visitor_of(request)
    dataset = readable(dataset_id, visitor)
    is_open = dataset.state == "approved"
    return page(
        request,
        "dataset.html",
        dataset=dataset,
        profile=dataset.profile,
        history=curation().history(dataset_id, drafts=may_prepare(dataset, visitor)),
        preview_url=public_previews().url(preview_name(dataset_id)) if is_open else "",
        may_describe=not is_open and may_prepare(dataset, visitor),
        may_approve=dataset.state == "described" and visitor is not None and visitor.is_curator,
    )


@require_safe
def timeline(request: HttpRequest, dataset_id: UUID) -> HttpResponse:
    """What happened to a data set, from its events: when, by whom, and what each step changed.

    Earlier drafts of its description stay between those who prepared it: what is published is what was approved.
    """
    visitor = visitor_of(request)
    dataset = readable(dataset_id, visitor)
    drafts = may_prepare(dataset, visitor)
    history = curation().history(dataset_id, drafts=drafts)
    events_url = _events_url(dataset_id) if visitor is not None and visitor.is_curator else ""
    return page(request, "timeline.html", dataset=dataset, history=history, drafts=drafts, events_url=events_url)


@require_GET
@signed_in
def download(request: HttpRequest, dataset_id: UUID) -> HttpResponse:
    """Send a signed-in visitor to a link that opens the private object for a while."""
    dataset = readable(dataset_id, visitor_of(request))
    return HttpResponseRedirect(private_files().url(dataset.file_key))


def readable(dataset_id: UUID, visitor: Visitor | None) -> Dataset:
    """The data set, if this visitor may see it.

    Raises:
        Http404: there is none, or it is still in preparation and none of this visitor's business.
    """
    dataset = curation().find(dataset_id)
    if dataset is None or not (dataset.state == "approved" or may_prepare(dataset, visitor)):
        raise Http404("no such data set")
    return dataset


def may_prepare(dataset: Dataset, visitor: Visitor | None) -> bool:
    """Whether this visitor works on the data set: its depositor, or any curator."""
    return visitor is not None and (visitor.is_curator or visitor.name == dataset.registered_by)


def _events_url(dataset_id: UUID) -> str:
    """Where the event browser shows a data set's events."""
    query = urlencode({"application_name": Curation.name, "originator_id": dataset_id})
    return f"{reverse('admin:eventsourcing_django_storedeventrecord_timeline')}?{query}"


def _found(query: str) -> QuerySet[SearchEntry]:
    entries = SearchEntry.objects.filter(state="approved")
    for word in query.split():
        entries = entries.filter(Q(title__icontains=word) | Q(summary__icontains=word) | Q(keywords__icontains=word))
    return entries


def _desk(visitor: Visitor | None) -> QuerySet[SearchEntry]:
    if visitor is None:
        return SearchEntry.objects.none()
    if visitor.is_curator:
        return SearchEntry.objects.filter(state="described")
    return SearchEntry.objects.exclude(state="approved").filter(**{DEPOSITOR: visitor.name})
