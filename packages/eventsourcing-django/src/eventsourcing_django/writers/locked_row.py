"""Any database: a locked row per application orders its events."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from eventsourcing_django.library import StoredEvent, Tracking
from eventsourcing_django.models import RecorderLock
from eventsourcing_django.writers.interface import Writer

__all__ = ["LockedRowWriter"]


class LockedRowWriter(Writer):
    """Locks the application's row until the transaction ends, then writes with Django's ORM.

    MySQL and MariaDB come here: their `GET_LOCK` belongs to the session and outlives a rollback, a row's lock does not.
    """

    def write(
        self, connection: BaseDatabaseWrapper, events: Sequence[StoredEvent], tracking: Tracking | None
    ) -> list[int]:
        """Take the lock, advance the tracking, insert the events."""
        with self._patience(connection):
            return self._write(connection, events, tracking)

    @contextmanager
    def _patience(self, connection: BaseDatabaseWrapper) -> Iterator[None]:
        if self._lock_timeout is None or connection.vendor != "mysql":
            yield
            return
        # The driver's cursor: after an error in a transaction Django's refuses to restore what was there.
        with connection.connection.cursor() as cursor:
            cursor.execute("SELECT @@SESSION.innodb_lock_wait_timeout")
            (usual,) = cursor.fetchone()
            cursor.execute("SET SESSION innodb_lock_wait_timeout = %s", [ceil(self._lock_timeout)])
            try:
                yield
            finally:
                if connection.is_usable():
                    cursor.execute("SET SESSION innodb_lock_wait_timeout = %s", [usual])

    def _write(
        self, connection: BaseDatabaseWrapper, events: Sequence[StoredEvent], tracking: Tracking | None
    ) -> list[int]:
        if tracking is not None:
            self._lock(connection, self.tracking.application_name)
            if not self.tracking.advance_under_lock(connection, tracking):
                raise self.refuse(tracking)
        elif self._ordered and events:
            self._lock(connection, self.events.application_name)
        return self._insert(connection, events) if events else []

    @staticmethod
    def _lock(connection: BaseDatabaseWrapper, application_name: str) -> None:
        rows = RecorderLock.objects.using(connection.alias)
        locked = rows.select_for_update().filter(pk=application_name)
        if locked.first() is None:
            # Whoever comes second waits here for the first one's transaction and then has the row. An insert that
            # fails would leave them all with a shared lock, and those who then want it alone in a deadlock.
            has_target = connection.features.supports_update_conflicts_with_target
            rows.bulk_create(
                [RecorderLock(pk=application_name)],
                update_conflicts=True,
                update_fields=["revision"],
                unique_fields=["application_name"] if has_target else None,
            )

    def _insert(self, connection: BaseDatabaseWrapper, events: Sequence[StoredEvent]) -> list[int]:
        model = self.events.model
        records: list[Any] = [self.events.record(event) for event in events]
        versions = [(record.originator_id, record.originator_version) for record in records]
        rows = model._base_manager.using(connection.alias)  # Django's documented name
        rows.bulk_create(records)
        if connection.features.can_return_rows_from_bulk_insert:
            return [record.pk for record in records]
        inserted = rows.filter(
            application_name=self.events.application_name,
            originator_id__in={originator_id for originator_id, _ in versions},
            originator_version__in={version for _, version in versions},
        ).values_list("originator_id", "originator_version", "pk")
        positions = {(originator_id, version): pk for originator_id, version, pk in inserted}
        return [positions[version] for version in versions]
