"""The admin shows what has been recorded and changes nothing: history is not edited."""

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


@admin.register(StoredEventRecord)
class StoredEventRecordAdmin(ReadOnlyAdmin):
    """Events, the newest first."""

    list_display = ("id", "application_name", "originator_id", "originator_version", "topic")
    list_filter = ("application_name",)
    search_fields = ("originator_id__exact",)
    search_help_text = "the whole ID of an aggregate"
    ordering = ("-id",)


@admin.register(SnapshotRecord)
class SnapshotRecordAdmin(ReadOnlyAdmin):
    """Snapshots, the newest first."""

    list_display = ("uid", "application_name", "originator_id", "originator_version", "topic")
    list_filter = ("application_name",)
    ordering = ("-uid",)


@admin.register(NotificationTrackingRecord)
class NotificationTrackingRecordAdmin(ReadOnlyAdmin):
    """How far applications have processed others."""

    list_display = ("application_name", "upstream_application_name", "notification_id", "is_current")
    list_filter = ("application_name", "upstream_application_name")
    ordering = ("application_name", "upstream_application_name", "-notification_id")
