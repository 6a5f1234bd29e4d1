"""Pages of the tables: they show what has been recorded and change nothing, because history is not edited."""

from typing import Any, ClassVar
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import BadRequest
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils.html import format_html

from eventsourcing_django.admin import followers, moments, timeline
from eventsourcing_django.admin.applications import DATABASE, applications_by_name, database_of
from eventsourcing_django.admin.changelist import (
    ApplicationFilter,
    DatabaseFilter,
    NewestFirst,
    PositionFilter,
    TopicFilter,
)
from eventsourcing_django.admin.decoding import Decoded, class_name, decoded
from eventsourcing_django.admin.index_scans import application_names
from eventsourcing_django.models import (
    NotificationTrackingRecord,
    SnapshotRecord,
    StoredEventRecord,
    TextSnapshotRecord,
    TextStoredEventRecord,
)

__all__ = [
    "AggregateRecordAdmin",
    "NotificationTrackingRecordAdmin",
    "ReadOnlyAdmin",
    "SnapshotRecordAdmin",
    "StoredEventRecordAdmin",
]

_EVENTS_OF: dict[type[models.Model], type[models.Model]] = {
    SnapshotRecord: StoredEventRecord,
    TextSnapshotRecord: TextStoredEventRecord,
}
_SHOWN = "_eventsourcing_decoded"


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows can be looked at by users with the view permission, and by nobody added, changed or deleted."""

    show_full_result_count = False  # counting a table of events takes as long as reading it
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002  # Django's signature
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:  # noqa: ARG002
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:  # noqa: ARG002
        """Nobody."""
        return False

    def get_queryset(self, request: HttpRequest) -> "models.QuerySet[Any]":
        """Read where recorders write: a replica may not have it yet.

        Raises:
            BadRequest: a parameter holds a zero character, which PostgreSQL takes in no text.
        """
        if any("\0" in text for _, texts in request.GET.lists() for text in texts):
            raise BadRequest("A parameter holds a zero character.")
        return super().get_queryset(request).using(database_of(request, self.model))


class AggregateRecordAdmin(ReadOnlyAdmin):
    """Rows that belong to aggregates, found by an aggregate's ID, with their state."""

    list_per_page = 50
    show_facets = admin.ShowFacets.NEVER  # they count
    sortable_by = ()
    list_filter: ClassVar = [ApplicationFilter, PositionFilter, DatabaseFilter]
    search_fields = ("originator_id",)
    search_help_text = "the whole ID of an aggregate"
    change_list_template = "eventsourcing_django/admin/change_list.html"
    change_form_template = "eventsourcing_django/admin/change_form.html"
    readonly_fields = ("aggregate", "recorded_at", "decoded_state")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[NewestFirst]:  # noqa: ARG002
        """Give the list that needs no counting."""
        return NewestFirst

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:  # noqa: ARG002
        """Allow the filters and nothing else: any other condition would read the whole table."""
        filters = {ApplicationFilter.parameter_name, TopicFilter.parameter_name, DATABASE}
        return lookup in filters | {PositionFilter.FROM, PositionFilter.UP_TO}

    def get_search_results(
        self, request: HttpRequest, queryset: "models.QuerySet[Any]", search_term: str
    ) -> "tuple[models.QuerySet[Any], bool]":
        """Find an aggregate by its ID; what is not an ID finds nothing."""
        if not search_term:
            return queryset, False
        originator_id = self.originator_id(search_term)
        if originator_id is None:
            return queryset.none(), False
        # An index begins with the application's name, so all names are given.
        names = getattr(request, "application_names", None)
        if names is None:
            names = application_names(self.model, database_of(request, self.model))
        return queryset.filter(application_name__in=names, originator_id=originator_id), False

    def originator_id(self, text: str) -> UUID | str | None:
        """Read an aggregate's ID; None: it cannot be one."""
        if not isinstance(self.opts.get_field("originator_id"), models.UUIDField):
            return text
        try:
            return UUID(text.strip())
        except ValueError:
            return None

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:  # noqa: ARG002
        """Put the state last."""
        pk = str(self.opts.pk.name)
        return [pk, "application_name", "aggregate", "originator_version", "recorded_at", "topic", "decoded_state"]

    @admin.display(description="aggregate")
    def aggregate(self, record: Any) -> str:
        """Link to the timeline at the row's version."""
        return format_html('<a href="{}">{}</a>', self.timeline_url(record), record.originator_id)

    def timeline_url(self, record: Any) -> str:
        """Give the address of the row's aggregate at its version."""
        model: type[models.Model] = _EVENTS_OF.get(self.model) or self.model
        query = {
            "application_name": record.application_name,
            "originator_id": str(record.originator_id),
            "version": record.originator_version,
            DATABASE: record._state.db,  # noqa: SLF001  # where Django says it was read
        }
        return f"{reverse(f'{self.admin_site.name}:{timeline.url_name(model)}')}?{urlencode(query)}"

    @admin.display(description="topic")
    def short_topic(self, record: Any) -> str:
        """Show the class without its module, which the tooltip has."""
        return format_html('<span title="{}">{}</span>', record.topic, class_name(record.topic))

    @admin.display(description="recorded at")
    def recorded_at(self, record: Any) -> str:
        """Show the event's own time, if it has one."""
        return self._decoded(record).recorded_at

    @admin.display(description="state")
    def decoded_state(self, record: Any) -> str:
        """Show the state, or why it cannot be shown."""
        return render_to_string(
            "eventsourcing_django/admin/state.html",
            {"shown": self._decoded(record), "size": len(record.state), "problems": applications_by_name()[1]},
        )

    def _decoded(self, record: Any) -> Decoded:
        if _SHOWN not in record.__dict__:
            record.__dict__[_SHOWN] = decoded(record, applications_by_name(record._state.db)[0])  # noqa: SLF001
        return record.__dict__[_SHOWN]  # type: ignore[no-any-return]


@admin.register(StoredEventRecord, TextStoredEventRecord)
class StoredEventRecordAdmin(AggregateRecordAdmin):
    """Events, the newest first, and the timelines of their aggregates."""

    list_display = ("id", "application_name", "aggregate", "originator_version", "short_topic")
    list_filter: ClassVar = [ApplicationFilter, TopicFilter, PositionFilter, moments.TimeFilter, DatabaseFilter]

    def get_urls(self) -> list[URLPattern]:
        """Add the timeline of an aggregate, and the search of positions by time."""
        view = self.admin_site.admin_view
        return [
            path("timeline/", view(self.timeline_view), name=timeline.url_name(self.model)),
            path("time/", view(self.time_view), name=moments.url_name(self.model)),
            *super().get_urls(),
        ]

    def timeline_view(self, request: HttpRequest) -> HttpResponse:
        """Show an aggregate's events, and its state at one of its versions."""
        return timeline.timeline_view(self, request)

    def time_view(self, request: HttpRequest) -> HttpResponse:
        """Go to the list between the positions of two times."""
        return moments.time_view(self, request)


@admin.register(SnapshotRecord, TextSnapshotRecord)
class SnapshotRecordAdmin(AggregateRecordAdmin):
    """Snapshots, the newest first."""

    list_display = ("uid", "application_name", "aggregate", "originator_version", "short_topic")


@admin.register(NotificationTrackingRecord)
class NotificationTrackingRecordAdmin(ReadOnlyAdmin):
    """How far applications have processed others, in place of a list of rows."""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show each follower's position beside the last one of its leader."""
        return followers.followers_view(self, request, extra_context or {})
