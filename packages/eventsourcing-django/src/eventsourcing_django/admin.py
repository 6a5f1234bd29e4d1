"""The admin shows what has been recorded and changes nothing: history is not edited."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from eventsourcing_django.models import NotificationTrackingRecord, SnapshotRecord, StoredEventRecord

__all__ = ["NotificationTrackingRecordAdmin", "ReadOnlyAdmin", "SnapshotRecordAdmin", "StoredEventRecordAdmin"]


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows can be looked at by users with the view permission, and by nobody added, changed or deleted."""

    show_full_result_count = False  # counting a table of events takes as long as reading it

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002  # Django's signature
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:  # noqa: ARG002
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:  # noqa: ARG002
        """Nobody."""
        return False


class AggregateRecordAdmin(ReadOnlyAdmin):
    """Rows that belong to aggregates, found by an aggregate's ID."""

    list_filter = ("application_name",)
    search_fields = ("originator_id",)
    search_help_text = "the whole ID of an aggregate"

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002  # Django's signature
        queryset: "models.QuerySet[Any]",
        search_term: str,
    ) -> "tuple[models.QuerySet[Any], bool]":
        """Find an aggregate by its ID; what is not an ID finds nothing."""
        if not search_term:
            return queryset, False
        try:
            return queryset.filter(originator_id=UUID(search_term)), False
        except ValueError:
            return queryset.none(), False


@admin.register(StoredEventRecord)
class StoredEventRecordAdmin(AggregateRecordAdmin):
    """Events, the newest first."""

    list_display = ("id", "application_name", "originator_id", "originator_version", "topic")
    ordering = ("-id",)


@admin.register(SnapshotRecord)
class SnapshotRecordAdmin(AggregateRecordAdmin):
    """Snapshots, the newest first."""

    list_display = ("uid", "application_name", "originator_id", "originator_version", "topic")
    ordering = ("-uid",)


@admin.register(NotificationTrackingRecord)
class NotificationTrackingRecordAdmin(ReadOnlyAdmin):
    """How far applications have processed others."""

    list_display = ("application_name", "upstream_application_name", "notification_id", "is_current")
    list_filter = ("application_name", "upstream_application_name")
    ordering = ("application_name", "upstream_application_name", "-notification_id")
