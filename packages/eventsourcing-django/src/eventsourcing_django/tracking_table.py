"""The table that says how far an application has processed others."""

from django.db.backends.base.base import BaseDatabaseWrapper

from eventsourcing_django.library import Tracking, upstream_of
from eventsourcing_django.models import NotificationTrackingRecord
from eventsourcing_django.statements import execute, first_row

__all__ = ["TrackingTable"]

_NAME = NotificationTrackingRecord._meta.db_table  # Django's documented name


class TrackingTable:
    """Positions of one application in the sequences of those that it follows.

    Args:
        application_name: the follower.
    """

    def __init__(self, application_name: str) -> None:
        self.application_name = application_name

    def max_id(self, connection: BaseDatabaseWrapper, upstream: str) -> int | None:
        """Give the largest position that was recorded for an application, or None."""
        statement = (
            f"SELECT MAX(notification_id) FROM {_NAME}"  # noqa: S608  # a constant
            " WHERE application_name = %s AND upstream_application_name = %s"
        )
        (position,) = execute(connection, statement, [self.application_name, upstream], first_row)
        return position  # type: ignore[no-any-return]

    def advance_statement(self) -> str:
        """Give the one statement that advances a position, for PostgreSQL and SQLite.

        It changes no row when the position is not beyond those recorded: neither beyond the moving row (which the
        update looks at again after waiting for another transaction) nor beyond rows of eventsourcing-django.
        """
        return (
            f'INSERT INTO "{_NAME}"'  # noqa: S608  # a constant
            " (application_name, upstream_application_name, notification_id, is_current)"
            " SELECT CAST(%s AS varchar(32)), CAST(%s AS varchar(32)), CAST(%s AS bigint), TRUE WHERE NOT EXISTS"
            f' (SELECT 1 FROM "{_NAME}" WHERE application_name = %s AND upstream_application_name = %s'
            " AND notification_id >= %s)"
            " ON CONFLICT (application_name, upstream_application_name, is_current)"
            " DO UPDATE SET notification_id = excluded.notification_id"
            f' WHERE "{_NAME}".notification_id < excluded.notification_id'
        )

    def advance_parameters(self, tracking: Tracking) -> list[str | int]:
        """Give the parameters of `advance_statement`."""
        return [self.application_name, upstream_of(tracking), tracking.notification_id] * 2

    def advance_under_lock(self, connection: BaseDatabaseWrapper, tracking: Tracking) -> bool:
        """Advance a position while the caller's transaction holds the application's lock; False: it has been passed."""
        recorded = self.max_id(connection, upstream_of(tracking))
        if recorded is not None and recorded >= tracking.notification_id:
            return False
        rows = NotificationTrackingRecord.objects.using(connection.alias)
        pair = {
            "application_name": self.application_name,
            "upstream_application_name": upstream_of(tracking),
            "is_current": True,
        }
        if not rows.filter(**pair).update(notification_id=tracking.notification_id):
            rows.create(**pair, notification_id=tracking.notification_id)
        return True
