"""Books and how they are lent: aggregates and applications, which know nothing of Django."""

from uuid import NAMESPACE_URL, UUID, uuid5

from eventsourcing.application import AggregateNotFoundError, Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.system import ProcessApplication, System


class BookIsLentError(Exception):
    """Raised when a book is to be lent that somebody has."""


class Book(Aggregate):
    @event("Added")
    def __init__(self, title: str) -> None:
        self.title = title
        self.lent_to: int | None = None

    def lend(self, member: int) -> None:
        if self.lent_to is not None:
            raise BookIsLentError(self.title)
        self._lend(member)

    @event("Lent")
    def _lend(self, member: int) -> None:
        self.lent_to = member

    @event("GivenBack")
    def give_back(self) -> None:
        self.lent_to = None


class Lending(Application[UUID]):
    """What views call."""

    def add(self, title: str) -> UUID:
        book = Book(title)
        self.save(book)
        return book.id

    def lend(self, book_id: UUID, member: int) -> None:
        book: Book = self.repository.get(book_id)
        book.lend(member)
        self.save(book)

    def give_back(self, book_id: UUID) -> None:
        book: Book = self.repository.get(book_id)
        book.give_back()
        self.save(book)


class Readings(Aggregate):
    @event("Opened")
    def __init__(self, book_id: UUID) -> None:
        self.book_id = book_id
        self.number = 0

    @staticmethod
    def create_id(book_id: UUID) -> UUID:
        return uuid5(NAMESPACE_URL, f"/readings/{book_id}")

    @event("Counted")
    def count(self) -> None:
        self.number += 1


class Popularity(ProcessApplication[UUID]):
    """Follows `Lending` and counts how often each book is lent."""

    def policy(self, domain_event, processing_event) -> None:
        if isinstance(domain_event, Book.Lent):
            readings = self._readings(domain_event.originator_id)
            readings.count()
            processing_event.collect_events(readings)

    def times_lent(self, book_id: UUID) -> int:
        return self._readings(book_id).number

    def _readings(self, book_id: UUID) -> Readings:
        try:
            return self.repository.get(Readings.create_id(book_id))
        except AggregateNotFoundError:
            return Readings(book_id)


def make_system() -> System:
    return System([[Lending, Popularity]])
