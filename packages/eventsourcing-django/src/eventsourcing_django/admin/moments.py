"""From times to positions: events have no column of their time, but their positions grow with it."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db import connections, models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.timezone import is_naive, make_aware

from eventsourcing_django.admin.applications import AnyApplication, applications_by_name
from eventsourcing_django.admin.changelist import ApplicationFilter, PositionFilter
from eventsourcing_django.admin.decoding import decoded
from eventsourcing_django.event_table import quoted

if TYPE_CHECKING:
    from eventsourcing_django.admin.records import StoredEventRecordAdmin

__all__ = ["TimeFilter", "first_positions", "time_view", "url_name"]

_SAMPLES = 500
_READ_AT_ONCE = 5_000  # positions: a million of them is sampled once and read once

_Samples = list[tuple[int, datetime]]


def url_name(model: type[models.Model]) -> str:
    """Give the name of the search's address."""
    return f"{model._meta.app_label}_{model._meta.model_name}_time"  # Django's documented names


class TimesForm(forms.Form):
    """Two times in the current time zone, each of which may be left out."""

    since = forms.DateTimeField(required=False)
    until = forms.DateTimeField(required=False)


class TimeFilter(admin.ListFilter):
    """A form that leads to the positions between two times."""

    title = "time"
    template = "eventsourcing_django/admin/time_filter.html"

    def __init__(
        self, request: HttpRequest, params: dict[str, list[str]], model: type[models.Model], model_admin: Any
    ) -> None:
        super().__init__(request, params, model, model_admin)
        self._url = reverse(f"{model_admin.admin_site.name}:{url_name(model)}")

    def has_output(self) -> bool:
        """Show the form."""
        return True

    def expected_parameters(self) -> list[Any]:
        """None: the form leads elsewhere, and from there back with positions."""
        return []

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:
        """Give the form its address and what it keeps of the other filters."""
        positions = {PositionFilter.FROM, PositionFilter.UP_TO}
        kept = changelist.filter_params.items()
        yield {"url": self._url, "hidden": [(k, v) for k, vs in kept if k not in positions for v in vs]}

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:  # noqa: ARG002
        """Leave the rows as they are."""
        return queryset


def time_view(model_admin: "StoredEventRecordAdmin", request: HttpRequest) -> HttpResponse:
    """Find the positions of the times that are asked for, and go to the list between them."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    form = TimesForm(request.GET)
    kept: dict[str, Any] = {name: value for name, value in request.GET.items() if name not in form.fields}
    if form.is_valid():
        kept |= _between(model_admin, request, form.cleaned_data)
    else:
        messages.error(request, "A time is not one: write it like 2026-01-31T23:59.")
    changelist = reverse(
        f"{model_admin.admin_site.name}:{model_admin.opts.app_label}_{model_admin.opts.model_name}_changelist"
    )
    return HttpResponseRedirect(f"{changelist}?{urlencode(kept)}")


def _between(model_admin: "StoredEventRecordAdmin", request: HttpRequest, times: Mapping[str, Any]) -> dict[str, int]:
    asked = [(name, _aware(time)) for name, time in times.items() if time is not None]
    rows = model_admin.get_queryset(request)
    application = request.GET.get(ApplicationFilter.parameter_name)
    found = first_positions(rows, application, [time for _, time in asked], applications_by_name(rows.db)[0])
    if found is None:
        messages.error(request, "No event has a time that can be read here: its application is not known.")
        return {}
    positions = dict(zip((name for name, _ in asked), found, strict=True))
    between = {PositionFilter.FROM: positions["since"]} if "since" in positions else {}
    return between | ({PositionFilter.UP_TO: positions["until"] - 1} if "until" in positions else {})


def _aware(time: datetime) -> datetime:
    return make_aware(time) if is_naive(time) else time


def first_positions(
    rows: "models.QuerySet[Any]",
    application: str | None,
    times: list[datetime],
    applications: Mapping[str, AnyApplication],
) -> list[int] | None:
    """Give, for each time, the position of the first event at it or after it, or the one after the last event.

    Args:
        rows: all events of the table.
        application: only of this one.
        times: any number.
        applications: those that decode the events.

    Returns:
        None if there are events and the times of none of them can be read.
    """
    if not times:
        return []
    chosen = rows.filter(application_name=application) if application else rows
    reader = _Times(chosen, application, applications)
    samples = reader.samples(None, None)
    if not samples:
        return None if chosen.exists() else [1] * len(times)
    windows = [_narrowed(samples, time) for time in times]
    for place, time in enumerate(times):
        while windows[place][1] - windows[place][0] > _READ_AT_ONCE:
            within = reader.samples(*windows[place])
            narrowed = _narrowed(within, time, windows[place][1])
            if narrowed == windows[place]:
                break
            windows[place] = narrowed
    exact = reader.all_within(windows)
    return [_first(exact, time, window) for time, window in zip(times, windows, strict=True)]


def _narrowed(samples: _Samples, time: datetime, end: int | None = None) -> tuple[int, int]:
    """Give the positions between which the first event at the time or after it is; at the end, the one after all."""
    place = bisect_left(samples, time, key=lambda sample: sample[1])
    low = samples[place - 1][0] if place else samples[0][0]
    beyond = end if end is not None else samples[-1][0] + 1
    return low, samples[place][0] if place < len(samples) else beyond


def _first(exact: _Samples, time: datetime, window: tuple[int, int]) -> int:
    return next((position for position, at in exact if window[0] <= position < window[1] and at >= time), window[1])


class _Times:
    """Reads the times of events at positions."""

    def __init__(
        self, rows: "models.QuerySet[Any]", application: str | None, applications: Mapping[str, AnyApplication]
    ) -> None:
        self._rows = rows
        self._application = application
        self._applications = applications

    def samples(self, low: int | None, high: int | None) -> _Samples:
        """Read some hundred times evenly spread over the positions, the first and the last one included."""
        return self._times(self._rows.filter(pk__in=self._spread(low, high)))

    def all_within(self, windows: list[tuple[int, int]]) -> _Samples:
        """Read all times between positions."""
        within = models.Q()
        for low, high in windows:
            within |= models.Q(pk__gte=low, pk__lte=high)
        return self._times(self._rows.filter(within))

    def _times(self, rows: "models.QuerySet[Any]") -> _Samples:
        found = []
        for row in rows.order_by("pk"):
            time = decoded(row, self._applications).timestamp
            if time is not None:
                found.append((row.pk, _aware(time)))
        return found

    def _spread(self, low: int | None, high: int | None) -> list[int]:
        connection = connections[self._rows.db]
        table = quoted(connection, self._rows.model._meta.db_table)  # Django's documented name
        theirs, parameters = ("application_name = %s", [self._application]) if self._application else ("1 = 1", [])
        bounds, limits = "", []
        if low is not None:
            bounds, limits = " AND id >= %s AND id <= %s", [low, high]
        statement = (
            "WITH RECURSIVE bounds (low, high) AS"  # noqa: S608  # a name of the model and this module's own text
            f" (SELECT MIN(id), MAX(id) FROM {table} WHERE {theirs}{bounds}),"
            " places (place) AS (SELECT low FROM bounds UNION ALL SELECT place + (high - low) / %s + 1"
            " FROM places, bounds WHERE place < high)"
            f" SELECT (SELECT MIN(id) FROM {table} WHERE {theirs} AND id >= place) FROM places"
            " UNION ALL SELECT high FROM bounds"
        )
        with connection.cursor() as cursor:
            cursor.execute(statement, [*parameters, *limits, _SAMPLES, *parameters])
            return sorted({position for (position,) in cursor.fetchall() if position is not None})
