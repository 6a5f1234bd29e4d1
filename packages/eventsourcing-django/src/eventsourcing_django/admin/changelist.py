"""Lists of large tables: paged and filtered by what an index answers, and never counted."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.db import models
from django.http import HttpRequest

from eventsourcing_django.admin.applications import DATABASE, database_of, databases
from eventsourcing_django.admin.decoding import class_name
from eventsourcing_django.admin.index_scans import application_names, newest_topics

__all__ = ["ApplicationFilter", "DatabaseFilter", "NewestFirst", "PositionFilter", "TopicFilter", "whole_number"]

WINDOW = 10_000  # positions that are searched for what no index knows
_TOPICS_AMONG = 1_000  # events

_Filters = dict[str, list[str]]
_Rows = "models.QuerySet[models.Model]"


class NewestFirst(ChangeList):
    """A page of rows up to a position; the next page is the same list up to a lower position."""

    older: int | None = None

    def get_ordering(self, request: HttpRequest, queryset: Any) -> Any:  # noqa: ARG002  # Django's signature
        """By the primary key alone: any other order would sort the table."""
        return ["-pk"]

    def get_results(self, request: HttpRequest) -> None:
        """Read one row more than is shown: it tells whether there are older ones."""
        self._default_database = databases(self.model)[0]
        rows = list(self.queryset[: self.list_per_page + 1])
        self.result_list = rows[: self.list_per_page]
        self.result_count = len(self.result_list)
        self.full_result_count = self.result_count  # a number that says nothing of the table is not shown
        self.show_full_result_count = self.show_admin_actions = self.multi_page = False
        self.can_show_all = True
        self.paginator = self.model_admin.get_paginator(request, self.result_list, self.list_per_page)
        self.searched_from = getattr(request, "searched_from", 1)
        if len(rows) > self.list_per_page:
            self.older = rows[-1].pk
        elif self.searched_from > 1:
            self.older = self.searched_from - 1

    @property
    def older_url(self) -> str | None:
        """The address of the next page."""
        return self.get_query_string({PositionFilter.UP_TO: self.older}) if self.older else None

    @property
    def newest_url(self) -> str | None:
        """The address of the first page, if this is not it."""
        up_to = PositionFilter.UP_TO
        return self.get_query_string(remove=[up_to]) if up_to in self.params or up_to in self.filter_params else None

    def url_for_result(self, result: models.Model) -> str:
        """Give a row's address in the database that the list is of."""
        url: str = super().url_for_result(result)
        return f"{url}?{DATABASE}={self.queryset.db}" if self.queryset.db != self._default_database else url


class DatabaseFilter(admin.SimpleListFilter):
    """Chooses the database, where applications use several; `ModelAdmin.get_queryset()` does what it says."""

    title = "database"
    parameter_name = DATABASE

    def __init__(self, request: HttpRequest, params: _Filters, model: type[models.Model], model_admin: Any) -> None:
        self._default, *self._others = databases(model)
        super().__init__(request, params, model, model_admin)

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Give the aliases, if there are several."""
        return [(alias, alias) for alias in self._others]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Call the database that is shown without a choice by its name."""
        first, *rest = super().choices(changelist)
        yield {**first, "display": self._default}
        yield from rest

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:  # noqa: ARG002
        """Leave the rows as they are."""
        return queryset


class ApplicationFilter(admin.SimpleListFilter):
    """Shows rows of one application. Its names are looked up in an index."""

    title = "application"
    parameter_name = "application_name"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Give the applications that have rows."""
        names = application_names(model_admin.model, database_of(request, model_admin.model))
        request.application_names = names  # type: ignore[attr-defined]
        return [(name, name) for name in names]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Keep those of the application; without an index of its positions, among the newest of all."""
        if not self.value():
            return queryset
        chosen = queryset.filter(application_name=self.value())
        indexed = ("application_name", "id") in queryset.model._meta.unique_together
        return chosen if indexed else within_window(request, chosen, queryset)


class PositionFilter(admin.ListFilter):
    """Shows rows between two positions."""

    title = "position"
    template = "eventsourcing_django/admin/position_filter.html"
    FROM, UP_TO = "from", "to"

    def __init__(self, request: HttpRequest, params: _Filters, model: type[models.Model], model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        for name in self.expected_parameters():
            if name in params:
                self.used_parameters[name] = whole_number(params.pop(name)[-1])

    def has_output(self) -> bool:
        """Show the form."""
        return True

    def expected_parameters(self) -> list[Any]:
        """Give the names of the form's fields."""
        return [self.FROM, self.UP_TO]

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:
        """Give the form what it shows and what it keeps of the other filters."""
        hidden = [
            (k, v) for k, vs in changelist.filter_params.items() if k not in self.expected_parameters() for v in vs
        ]
        yield {
            "from": self.used_parameters.get(self.FROM),
            "to": self.used_parameters.get(self.UP_TO),
            "hidden": hidden,
        }

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:  # noqa: ARG002
        """Keep those within."""
        lowest, highest = (self.used_parameters.get(name) for name in self.expected_parameters())
        if lowest is not None:
            queryset = queryset.filter(pk__gte=lowest)
        return queryset if highest is None else queryset.filter(pk__lte=highest)


class TopicFilter(admin.SimpleListFilter):
    """Shows events of one topic, looked for among `WINDOW` positions at a time: topics are in no index."""

    title = "topic"
    parameter_name = "topic"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Give the topics of the newest events that the other filters leave."""
        rows = model_admin.get_queryset(request)
        application = request.GET.get(ApplicationFilter.parameter_name)
        if application:
            rows = rows.filter(application_name=application)
        up_to = whole_number(request.GET.get(PositionFilter.UP_TO) or "")
        if up_to is not None:
            rows = rows.filter(pk__lte=up_to)
        topics, self._newest = newest_topics(rows, _TOPICS_AMONG)
        chosen = request.GET.get(self.parameter_name)
        return [(topic, class_name(topic)) for topic in sorted({*topics, *([chosen] if chosen else [])})]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Keep those of the topic."""
        if not self.value():
            return queryset
        request.searched_from = max(1, self._newest - WINDOW + 1)  # type: ignore[attr-defined]
        return queryset.filter(topic=self.value(), pk__gte=request.searched_from)  # type: ignore[attr-defined]


def within_window(request: HttpRequest, rows: Any, all_rows: Any) -> Any:
    """Look for rows among the `WINDOW` newest positions."""
    up_to = whole_number(request.GET.get(PositionFilter.UP_TO) or "")
    newest = up_to if up_to is not None else all_rows.aggregate(newest=models.Max("pk"))["newest"] or 0
    request.searched_from = max(1, newest - WINDOW + 1)  # type: ignore[attr-defined]
    return rows.filter(pk__gte=request.searched_from)  # type: ignore[attr-defined]


def whole_number(text: str) -> int | None:
    """Read a position; an empty field is None.

    Raises:
        IncorrectLookupParameters: it is not a whole number that a column of positions holds.
    """
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > len(str(2**63)) - 1:
        raise IncorrectLookupParameters(f"{text[:30]!r} is not a position")
    return int(text)
