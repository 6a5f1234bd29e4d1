"""The timeline of an aggregate: its events, and its state at any of its versions."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from eventsourcing_django.admin.applications import DATABASE, AnyApplication, applications_by_name
from eventsourcing_django.admin.changelist import whole_number
from eventsourcing_django.admin.decoding import Field, class_name, decoded, fields, reason

if TYPE_CHECKING:
    from eventsourcing_django.admin.records import StoredEventRecordAdmin

__all__ = ["State", "state_at", "timeline_view", "url_name"]

_EVENTS_PER_PAGE = 25
_MOST_EVENTS = 10_000  # that are replayed for a page


def url_name(model: type[models.Model]) -> str:
    """Give the name of the timeline's address."""
    return f"{model._meta.app_label}_{model._meta.model_name}_timeline"  # Django's documented names


@dataclass(frozen=True)
class State:
    """An aggregate at a version; without fields there is a `problem`."""

    fields: list[Field]
    problem: str = ""


def timeline_view(model_admin: "StoredEventRecordAdmin", request: HttpRequest) -> HttpResponse:
    """Show a page of an aggregate's events, the newest first, and the state at the version that is asked for."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    application_name = request.GET.get("application_name", "")
    originator_id = model_admin.originator_id(request.GET.get("originator_id", ""))
    version, up_to = (_version(request, name) for name in ("version", "up_to"))
    if up_to is None and version is not None:
        up_to = version + _EVENTS_PER_PAGE // 2  # the version stands in the middle of its page
    rows = _events(model_admin.get_queryset(request), application_name, originator_id, up_to)
    if not rows:
        raise Http404("There is no such aggregate, or it has no such version.")
    applications, problems = applications_by_name(rows[0]._state.db)  # noqa: SLF001  # where they were read
    version = rows[0].originator_version if version is None else version
    known = applications.get(application_name)
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": f"Timeline of {originator_id}",
        "application_name": application_name,
        "originator_id": str(originator_id),
        "database": request.GET.get(DATABASE, ""),
        "events": [(row, class_name(row.topic), decoded(row, applications)) for row in rows[:_EVENTS_PER_PAGE]],
        "older": rows[-1].originator_version if len(rows) > _EVENTS_PER_PAGE else None,
        "is_newest": up_to is None,
        "version": version,
        "state": state_at(known, originator_id, version) if known else _undecodable(rows[0]),
        "problems": problems,
    }
    return TemplateResponse(request, "eventsourcing_django/admin/timeline.html", context)


def _version(request: HttpRequest, name: str) -> int | None:
    try:
        return whole_number(request.GET.get(name, ""))
    except IncorrectLookupParameters as error:
        raise Http404(str(error)) from error


def _events(rows: "models.QuerySet[Any]", application_name: str, originator_id: Any, up_to: int | None) -> list[Any]:
    if originator_id is None:
        return []
    of_aggregate = rows.filter(application_name=application_name, originator_id=originator_id)
    if up_to is not None:
        of_aggregate = of_aggregate.filter(originator_version__lte=up_to)
    return list(of_aggregate.order_by("-originator_version")[: _EVENTS_PER_PAGE + 1])


def _undecodable(row: Any) -> State:
    return State([], decoded(row, {}).problem)


def state_at(application: AnyApplication, originator_id: Any, version: int) -> State:
    """Give an aggregate as it was at a version, from the last snapshot before it and the events since.

    What the application's code and its stored events raise is the state's problem, not the caller's.
    """
    try:
        snapshots = _snapshots(application, originator_id, version)
        since = snapshots[0].originator_version if snapshots else None
        events = list(application.events.get(originator_id, gt=since, lte=version, limit=_MOST_EVENTS + 1))
        if len(events) > _MOST_EVENTS:
            return State([], f"More than {_MOST_EVENTS:,} events would have to be replayed: take snapshots.")
        if not events or events[-1].originator_version != version:
            return State([], f"The aggregate has no version {version}.")
        before = _replayed(None, [*snapshots, *events[:-1]])
        earlier = {field.name: field.text for field in fields(before)} if before is not None else {}
        after = _replayed(before, events[-1:])
    except Exception as error:  # noqa: BLE001  # the project's code: whatever it raises is what is shown
        return State([], reason(error, application))
    if after is None:
        return State([], "The aggregate was discarded by this event.")
    return State([Field(f.name, f.text, changed=earlier.get(f.name) != f.text) for f in fields(after)])


def _snapshots(application: AnyApplication, originator_id: Any, version: int) -> list[Any]:
    if application.snapshots is None:
        return []
    # The last one before the version, so that the version's own event is replayed and its changes can be told.
    return list(application.snapshots.get(originator_id, lte=version - 1, desc=True, limit=1))


def _replayed(aggregate: Any, events: Iterable[Any]) -> Any:
    for event in events:
        aggregate = event.mutate(aggregate)
    return aggregate
