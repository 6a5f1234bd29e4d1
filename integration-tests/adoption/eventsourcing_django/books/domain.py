"""Books that are lent, and a follower that counts how often."""

from uuid import NAMESPACE_URL, UUID, uuid5

from eventsourcing.application import AggregateNotFoundError, Application
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.domain import Aggregate, event
from eventsourcing.system import ProcessApplication, System


class Book(Aggregate):
    @event("Added")
    def __init__(self, title: str) -> None:
        self.title = title
        self.members: list[str] = []

    @staticmethod
    def create_id(title: str) -> UUID:
        return uuid5(NAMESPACE_URL, f"/books/{title}")

    @event("Lent")
    def lend(self, member: str) -> None:
        self.members.append(member)


class Library(Application[UUID]):
    snapshotting_intervals = {Book: 3}

    def lend(self, title: str, member: str) -> None:
        try:
            book = self.repository.get(Book.create_id(title))
        except AggregateNotFoundError:
            book = Book(title)
        book.lend(member)
        self.save(book)

    def members(self, title: str) -> list[str]:
        return self.repository.get(Book.create_id(title)).members


class Counter(Aggregate):
    @event("Opened")
    def __init__(self) -> None:
        self.lent = 0

    @staticmethod
    def create_id() -> UUID:
        return uuid5(NAMESPACE_URL, "/counter")

    @event("Counted")
    def count(self) -> None:
        self.lent += 1


class Statistics(ProcessApplication[UUID]):
    @singledispatchmethod
    def policy(self, domain_event, processing_event) -> None:
        """Count what is lent, and nothing else."""

    @policy.register
    def _(self, domain_event: Book.Lent, processing_event) -> None:
        try:
            counter = self.repository.get(Counter.create_id())
        except AggregateNotFoundError:
            counter = Counter()
        counter.count()
        processing_event.collect_events(counter)

    def lent(self) -> int:
        return self.repository.get(Counter.create_id()).lent


def make_system() -> System:
    return System([[Library, Statistics]])
