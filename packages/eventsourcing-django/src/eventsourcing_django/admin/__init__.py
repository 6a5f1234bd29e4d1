"""The admin: a browser of events, snapshots and followers in which nothing can be changed."""

from eventsourcing_django.admin.records import (
    AggregateRecordAdmin,
    NotificationTrackingRecordAdmin,
    ReadOnlyAdmin,
    SnapshotRecordAdmin,
    StoredEventRecordAdmin,
)

__all__ = [
    "AggregateRecordAdmin",
    "NotificationTrackingRecordAdmin",
    "ReadOnlyAdmin",
    "SnapshotRecordAdmin",
    "StoredEventRecordAdmin",
]
