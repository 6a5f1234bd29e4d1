"""Django's model signals for rows that are written without model instances."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import models
from django.db.models.signals import post_save, pre_save

from eventsourcing_django.event_table import EventTable
from eventsourcing_django.library import StoredEvent

__all__ = ["announced", "has_listeners"]


def has_listeners(model: type[models.Model]) -> bool:
    """Say whether anybody wants to hear of saved rows; if nobody does, no instances are made."""
    # As `Signal.send()` begins: a project without receivers is spared the rest.
    if not (pre_save.receivers or post_save.receivers):
        return False
    return bool(pre_save.has_listeners(model) or post_save.has_listeners(model))


@contextmanager
def announced(table: EventTable, events: Sequence[StoredEvent], alias: str) -> Iterator[list[int]]:
    """Send `pre_save` and `post_save` per event around the statement that inserts them.

    Yields:
        A list into which the caller puts the primary keys of the inserted rows.
    """
    model = table.model
    records = [table.record(event) for event in events]
    about = {"sender": model, "raw": False, "using": alias, "update_fields": None}
    for record in records:
        pre_save.send(instance=record, **about)
    keys: list[int] = []
    yield keys
    for record, key in zip(records, keys, strict=True):
        record.pk = key
        record._state.adding, record._state.db = False, alias  # noqa: SLF001  # as Model.save() leaves it
        post_save.send(instance=record, created=True, **about)
