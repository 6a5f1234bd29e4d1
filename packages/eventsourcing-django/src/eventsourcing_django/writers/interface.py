"""What a writer does."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property

from django.db.backends.base.base import BaseDatabaseWrapper

from eventsourcing_django.event_table import EventTable
from eventsourcing_django.library import IntegrityError, StoredEvent, Tracking, upstream_of
from eventsourcing_django.tracking_table import TrackingTable

__all__ = ["Writer"]


class Writer(ABC):
    """Writes events, positions, or both together, with the statements of one kind of database.

    Args:
        events: where events go, if any.
        tracking: where positions go, if any.
        ordered: positions of the events have to become visible in their order.
        lock_timeout: seconds to wait for another writer of the application; None leaves it to the database.
    """

    def __init__(
        self,
        events: EventTable | None,
        tracking: TrackingTable | None,
        ordered: bool,
        lock_timeout: float | None = None,
    ) -> None:
        self._events = events
        self._tracking = tracking
        self._ordered = ordered
        self._lock_timeout = lock_timeout

    @cached_property
    def events(self) -> EventTable:
        """Where events go."""
        if self._events is None:
            raise TypeError("This writer was made for tracking only")
        return self._events

    @cached_property
    def tracking(self) -> TrackingTable:
        """Where positions go."""
        if self._tracking is None:
            raise TypeError("This writer was made for events only")
        return self._tracking

    def takes_several(self, events: Sequence[StoredEvent], tracking: Tracking | None) -> bool:  # noqa: ARG002
        """Say whether a write takes several statements, which need a transaction. The default is the safe answer."""
        return True

    @abstractmethod
    def write(
        self, connection: BaseDatabaseWrapper, events: Sequence[StoredEvent], tracking: Tracking | None
    ) -> list[int]:
        """Insert events and advance the tracking, all or nothing, and return the events' positions in their order.

        Raises:
            eventsourcing.persistence.IntegrityError: the tracking is not beyond what has been recorded.
            django.db.IntegrityError: a version of an aggregate exists already.
        """

    def refuse(self, tracking: Tracking) -> IntegrityError:
        """Make the error for a position that has been passed."""
        return IntegrityError(
            f"{self.tracking.application_name!r} has already processed {upstream_of(tracking)!r} up to"
            f" notification {tracking.notification_id} or beyond"
        )
