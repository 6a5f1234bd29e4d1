"""From events to the models that lists are read from."""

from typing import Any
from uuid import UUID

from eventsourcing.persistence import Tracking
from eventsourcing.projection import Projection
from eventsourcing.utils import get_topic

from eventsourcing_django.recorders import DjangoTrackingRecorder
from lending.domain import Book
from lending.models import ShelvedBook


class Shelf(DjangoTrackingRecorder):
    """Changes the shelf. Rows and the position of the event are one transaction, so each event counts once."""

    def put(self, book_id: UUID, tracking: Tracking, **values: Any) -> None:
        with self.atomic():
            ShelvedBook.objects.using(self.using).update_or_create(book_id=book_id, defaults=values)
            self.insert_tracking(tracking)


class ShelfProjection(Projection[Shelf]):
    """Says which event changes what."""

    topics = (get_topic(Book.Added), get_topic(Book.Lent), get_topic(Book.GivenBack))

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        book_id = domain_event.originator_id
        match domain_event:
            case Book.Added():
                self.view.put(book_id, tracking, title=domain_event.title)
            case Book.Lent():
                self.view.put(book_id, tracking, lent_to_id=domain_event.member)
            case Book.GivenBack():
                self.view.put(book_id, tracking, lent_to=None)
