"""What a user's type checker sees who extends the admin: checked with `mypy --strict` and pyright, never run."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from typing_extensions import assert_type

from eventsourcing_django.admin import ReadOnlyAdmin, StoredEventRecordAdmin
from eventsourcing_django.models import StoredEventRecord

admin.site.unregister(StoredEventRecord)


@admin.register(StoredEventRecord)
class OwnAdmin(StoredEventRecordAdmin):
    list_per_page = 20

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return request.user.is_authenticated and super().has_view_permission(request, None)


def timeline(events: OwnAdmin, request: HttpRequest, record: StoredEventRecord) -> None:
    assert_type(events.timeline_view(request), HttpResponse)
    assert_type(events.timeline_url(record), str)
    assert_type(ReadOnlyAdmin.has_add_permission(events, request), bool)
