"""How each kind of database writes events and tracking, so that a follower never misses an event.

A follower reads "everything after position N". If a writer that drew position 5 commits after the one that drew 6,
a follower that has just seen 6 never comes back for 5. So positions of an application have to become visible in
their order: SQLite has one writer anyway, PostgreSQL gets an advisory lock per application, and other databases a
locked row per application. Applications do not wait for each other.
"""

from collections.abc import Callable

from eventsourcing_django.event_table import EventTable
from eventsourcing_django.tracking_table import TrackingTable
from eventsourcing_django.writers.interface import Writer
from eventsourcing_django.writers.locked_row import LockedRowWriter
from eventsourcing_django.writers.postgresql import PostgreSQLWriter
from eventsourcing_django.writers.sqlite import SQLiteWriter

__all__ = ["Writer", "writer_for"]

_WRITERS: dict[str, Callable[[EventTable | None, TrackingTable | None, bool, float | None], Writer]] = {
    "postgresql": PostgreSQLWriter,
    "sqlite": SQLiteWriter,
}


def writer_for(
    vendor: str,
    events: EventTable | None = None,
    tracking: TrackingTable | None = None,
    *,
    ordered: bool = True,
    lock_timeout: float | None = None,
) -> Writer:
    """Choose the writer for a kind of database.

    Args:
        vendor: Django's name of it; one without a writer of its own gets the one that works on every database.
        events: where events go, if the recorder records any.
        tracking: where positions go, if the recorder tracks any.
        ordered: somebody follows these events. Snapshots are followed by nobody and take no lock.
        lock_timeout: seconds to wait for another writer of the application; None leaves it to the database.
    """
    return _WRITERS.get(vendor, LockedRowWriter)(events, tracking, ordered, lock_timeout)
