"""The tables.

Their names, columns and constraints are those of eventsourcing-django, so that an existing database is used as it is.
Whatever is added is nullable and comes in a migration of its own.
"""

from typing import Any, ClassVar

from django.db import models

__all__ = [
    "NotificationTrackingRecord",
    "RecorderLock",
    "SnapshotRecord",
    "StoredEventRecord",
    "TextSnapshotRecord",
    "TextStoredEventRecord",
]


class _AggregateRecord(models.Model):
    """What a row of each table of events or snapshots has, beside its key and the ID of its aggregate.

    ``event_id`` and ``metadata`` belong to events of eventsourcing 10; those of 9, and of eventsourcing-django, leave
    them empty.
    """

    application_name = models.CharField(max_length=32)
    originator_version = models.BigIntegerField()
    topic = models.TextField()
    state = models.BinaryField()
    event_id = models.UUIDField(null=True, default=None, editable=False)
    metadata = models.JSONField(null=True, default=None, editable=False)

    class Meta:
        """No table of its own."""

        abstract = True


class _EventRecord(_AggregateRecord):
    """An event of an aggregate; ``id`` is its position in the sequence of its application."""

    id = models.BigAutoField(primary_key=True)
    originator_id: Any

    class Meta:
        """A version of an aggregate exists once; the second index is for those who read an application's sequence."""

        abstract = True
        unique_together = (
            ("application_name", "originator_id", "originator_version"),
            ("application_name", "id"),
        )

    def __str__(self) -> str:
        """Say whose event it is and where it stands."""
        return f"{self.application_name} #{self.pk}: {self.originator_id} v{self.originator_version}"


class _SnapshotRecord(_AggregateRecord):
    """The state of an aggregate at one of its versions."""

    uid = models.BigAutoField(primary_key=True)
    originator_id: Any

    class Meta:
        """A version of an aggregate has one snapshot."""

        abstract = True
        unique_together = (("application_name", "originator_id", "originator_version"),)

    def __str__(self) -> str:
        """Say whose snapshot it is and of which version."""
        return f"{self.application_name}: {self.originator_id} v{self.originator_version}"


class StoredEventRecord(_EventRecord):
    """An event of an aggregate whose ID is a UUID."""

    originator_id = models.UUIDField()

    class Meta(_EventRecord.Meta):
        """Table `stored_events`, shared by every application of the database."""

        db_table = "stored_events"
        verbose_name = "stored event"


class SnapshotRecord(_SnapshotRecord):
    """A snapshot of an aggregate whose ID is a UUID."""

    originator_id = models.UUIDField()

    class Meta(_SnapshotRecord.Meta):
        """Table `snapshots`."""

        db_table = "snapshots"
        verbose_name = "snapshot"


class TextStoredEventRecord(_EventRecord):
    """An event of an aggregate whose ID is a string, for applications with ``ORIGINATOR_ID_TYPE=text``.

    Such events have a table of their own: the column of `StoredEventRecord` holds UUIDs and nothing else, and
    changing it would lock out processes that have not been upgraded.
    """

    originator_id = models.CharField(max_length=255)

    class Meta(_EventRecord.Meta):
        """Table `stored_events_text`."""

        db_table = "stored_events_text"
        verbose_name = "stored event with a text ID"
        verbose_name_plural = "stored events with text IDs"


class TextSnapshotRecord(_SnapshotRecord):
    """A snapshot of an aggregate whose ID is a string."""

    originator_id = models.CharField(max_length=255)

    class Meta(_SnapshotRecord.Meta):
        """Table `snapshots_text`."""

        db_table = "snapshots_text"
        verbose_name = "snapshot with a text ID"
        verbose_name_plural = "snapshots with text IDs"


class NotificationTrackingRecord(models.Model):
    """How far an application has processed the events of another one.

    The position is the largest ``notification_id`` of all rows of the two applications. One row of the pair has
    ``is_current`` set and moves along; rows without it were written by eventsourcing-django, one per processed event.
    """

    uid = models.BigAutoField(primary_key=True)
    application_name = models.CharField(max_length=32)
    upstream_application_name = models.CharField(max_length=32)
    notification_id = models.BigIntegerField()
    is_current = models.BooleanField(null=True, default=None, editable=False)

    class Meta:
        """Table `notification_tracking`."""

        db_table = "notification_tracking"
        unique_together = (("application_name", "upstream_application_name", "notification_id"),)
        constraints: ClassVar = [
            # Null is distinct from null, so this binds the moving row alone.
            models.UniqueConstraint(
                fields=["application_name", "upstream_application_name", "is_current"],
                name="notification_tracking_one_current_row",
            ),
        ]
        verbose_name = "notification tracking"

    def __str__(self) -> str:
        """Say who has processed whom up to where."""
        return f"{self.application_name} has processed {self.upstream_application_name} up to {self.notification_id}"


class RecorderLock(models.Model):
    """A row to lock, one per application, where the database has no lock that ends with the transaction.

    PostgreSQL has advisory locks and SQLite has one writer: there the table stays empty.
    """

    application_name = models.CharField(max_length=32, primary_key=True)
    revision = models.BigIntegerField(default=0)

    class Meta:
        """Table `eventsourcing_recorder_locks`."""

        db_table = "eventsourcing_recorder_locks"
        verbose_name = "recorder lock"

    def __str__(self) -> str:
        """Say whose lock it is."""
        return f"lock of {self.application_name}"
