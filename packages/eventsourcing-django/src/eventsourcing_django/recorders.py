"""Recorders: the eventsourcing library's persistence interface on Django's connections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from eventsourcing_django.database import RecorderDatabase
from eventsourcing_django.event_table import EventTable
from eventsourcing_django.library import (
    AggregateRecorder,
    ApplicationRecorder,
    DataError,
    Notification,
    OperationalError,
    ProcessRecorder,
    StoredEvent,
    Subscription,
    Tracking,
    TrackingRecorder,
    inserted,
)
from eventsourcing_django.models import NotificationTrackingRecord, SnapshotRecord, TextSnapshotRecord
from eventsourcing_django.signals import announced, has_listeners
from eventsourcing_django.sqlite_journal import journal_modes
from eventsourcing_django.subscriptions import subscription_to
from eventsourcing_django.tracking_table import TrackingTable
from eventsourcing_django.write_transactions import write_transaction
from eventsourcing_django.writers import Writer, writer_for

__all__ = [
    "DjangoAggregateRecorder",
    "DjangoApplicationRecorder",
    "DjangoProcessRecorder",
    "DjangoTrackingRecorder",
    "journal_modes",
]

_LONGEST_NAME = NotificationTrackingRecord._meta.get_field("application_name").max_length or 0


def _checked_name(application_name: str) -> str:
    if len(application_name) > _LONGEST_NAME:
        raise DataError(
            f"The application name {application_name!r} has {len(application_name)} characters and the tables hold"
            f" {_LONGEST_NAME}: set the attribute 'name' of the application class to a shorter one"
        )
    return application_name


def _nobody_knows(tracking: Tracking | None) -> OperationalError:
    return OperationalError(
        f"The connection was lost while {tracking} was being recorded; it is recorded now, and whether by this call or"
        " by another process cannot be told"
    )


class DjangoAggregateRecorder(AggregateRecorder):
    """Records events, or snapshots, of an application's aggregates.

    Args:
        application_name: whose events, at most 32 characters.
        model: the model of the table, `StoredEventRecord`, `SnapshotRecord` or one of their twins for text IDs.
        using: an alias of ``DATABASES``; None asks the database routers, once, where the model is written.
        lock_timeout: seconds that a save waits for another one of the application; None is as long as it takes.

    Attributes:
        application_name: as given.
        model: as given.
        using: the alias in use.
        lock: held during each call; a real lock for in-memory SQLite databases only.

    Raises:
        eventsourcing.persistence.DataError: the name is too long.
        UnknownDatabaseError: ``DATABASES`` has no such alias.
    """

    def __init__(
        self,
        application_name: str,
        model: type[models.Model],
        using: str | None = None,
        *,
        lock_timeout: float | None = None,
    ) -> None:
        self.application_name = _checked_name(application_name)
        self.model = model
        self._lock_timeout = lock_timeout
        self._database = RecorderDatabase(model, using)
        self.using = self._database.alias
        self.lock = self._database.lock
        self._table = EventTable(self.application_name, model, self._database.connection)
        self._writer = self._make_writer()

    def _make_writer(self) -> Writer:
        ordered = not issubclass(self.model, SnapshotRecord | TextSnapshotRecord)
        return writer_for(self._database.vendor, self._table, ordered=ordered, lock_timeout=self._lock_timeout)

    def insert_events(self, stored_events: Sequence[StoredEvent], **_kwargs: Any) -> Sequence[int] | None:
        """Insert events, all or none, and return None: they have positions, but nobody follows them.

        Raises:
            eventsourcing.persistence.IntegrityError: a version of an aggregate exists already.
        """
        self._write(stored_events)
        return None

    def _write(self, events: Sequence[StoredEvent], tracking: Tracking | None = None) -> list[int]:
        if not events and tracking is None:
            return []
        if has_listeners(self.model):
            return self._write_announced(events, tracking)
        return self._database.write(
            lambda connection: self._writer.write(connection, events, tracking),
            several=self._writer.takes_several(events, tracking),
            stored=lambda connection: self._stored(connection, events, tracking),
        )

    def _write_announced(self, events: Sequence[StoredEvent], tracking: Tracking | None) -> list[int]:
        def insert(connection: BaseDatabaseWrapper) -> list[int]:
            with announced(self._table, events, self.using) as positions:
                positions.extend(self._writer.write(connection, events, tracking))
            return positions

        # What receivers of signals have done cannot be done twice.
        return self._database.write(insert, several=True, stored=None)

    def _stored(
        self, connection: BaseDatabaseWrapper, events: Sequence[StoredEvent], tracking: Tracking | None
    ) -> list[int] | None:
        if not events:
            raise _nobody_knows(tracking)
        # Events that are there byte by byte, their timestamps included, are the ones that were sent.
        return self._table.positions_of(connection, events)

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """Read events of an aggregate in the order of their versions.

        Args:
            originator_id: the aggregate.
            gt: versions above this one.
            lte: versions up to this one.
            desc: the newest first.
            limit: at most so many; none if it is 0 or less.
        """
        return self._database.read(
            lambda connection: self._table.select_events(
                connection, originator_id, gt=gt, lte=lte, desc=desc, limit=limit
            )
        )


class DjangoApplicationRecorder(DjangoAggregateRecorder, ApplicationRecorder):
    """Records events of an application and serves them to its followers."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **_kwargs: Any) -> Sequence[int] | None:
        """Insert events, all or none, and return their positions in the application's sequence.

        Raises:
            eventsourcing.persistence.IntegrityError: a version of an aggregate exists already.
        """
        return inserted(self._write(stored_events))

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Read events of the application in the order in which they were recorded.

        Args:
            start: from this position on; None is from the first.
            limit: at most so many; none if it is 0 or less.
            stop: up to this position.
            topics: of these topics only.
            inclusive_of_start: whether the event at ``start`` is wanted itself.
        """
        return self._database.read(
            lambda connection: self._table.select_notifications(
                connection, start=start, inclusive_of_start=inclusive_of_start, stop=stop, topics=topics, limit=limit
            )
        )

    def max_notification_id(self) -> int | None:
        """Give the position of the application's last event, or None if it has none."""
        return self._database.read(self._table.max_id)

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[ApplicationRecorder]:
        """Iterate over the application's events for ever: those recorded, then new ones as they are committed.

        On PostgreSQL a new event is announced; on other databases the table is looked at again and again.

        Args:
            gt: from the event after this position on.
            topics: of these topics only.
        """
        return subscription_to(self, gt, topics)


class DjangoTrackingRecorder(TrackingRecorder):
    """Records how far an application or a view has processed others.

    A materialised view extends it, and changes its own models together with the tracking inside `atomic()`.

    Args:
        application_name: who processes, at most 32 characters.
        using: an alias of ``DATABASES``; None asks the database routers, once.
        lock_timeout: seconds that recording a position waits for another one; None is as long as it takes.
    """

    def __init__(self, application_name: str, using: str | None = None, *, lock_timeout: float | None = None) -> None:
        self.application_name = _checked_name(application_name)
        self._database = RecorderDatabase(NotificationTrackingRecord, using)
        self.using = self._database.alias
        self._tracking = TrackingTable(self.application_name)
        self._writer = writer_for(self._database.vendor, tracking=self._tracking, lock_timeout=lock_timeout)

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """Make everything inside, the project's models included, one transaction in the recorder's database."""
        with self._database.connected(), write_transaction(self.using):
            yield

    def insert_tracking(self, tracking: Tracking) -> None:
        """Record that an event has been processed.

        Raises:
            eventsourcing.persistence.IntegrityError: that event, or a later one, has been recorded already.
        """

        def stored(_: BaseDatabaseWrapper) -> None:
            raise _nobody_knows(tracking)

        self._database.write(
            lambda connection: self._writer.write(connection, (), tracking),
            several=self._writer.takes_several((), tracking),
            stored=stored,
        )

    def max_tracking_id(self, application_name: str) -> int | None:
        """Give the position up to which an application has been processed, or None."""
        return self._database.read(lambda connection: self._tracking.max_id(connection, application_name))


class DjangoProcessRecorder(DjangoTrackingRecorder, DjangoApplicationRecorder, ProcessRecorder):
    """Records events of a process application together with the position of the event they result from."""

    def __init__(
        self,
        application_name: str,
        model: type[models.Model],
        using: str | None = None,
        *,
        lock_timeout: float | None = None,
    ) -> None:
        self._tracking = TrackingTable(application_name)
        DjangoApplicationRecorder.__init__(self, application_name, model, using, lock_timeout=lock_timeout)

    def _make_writer(self) -> Writer:
        return writer_for(self._database.vendor, self._table, self._tracking, lock_timeout=self._lock_timeout)

    def insert_events(
        self, stored_events: Sequence[StoredEvent], *, tracking: Tracking | None = None, **_kwargs: Any
    ) -> Sequence[int] | None:
        """Insert events and advance the tracking, all or nothing, and return the events' positions.

        Raises:
            eventsourcing.persistence.IntegrityError: a version of an aggregate exists already, or the tracked event,
                or a later one, has been processed already.
        """
        return inserted(self._write(stored_events, tracking))
