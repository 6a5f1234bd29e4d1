"""A system of two followers: one counts tricks, the next one celebrates every count."""

import os
import signal
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

from eventsourcing.application import AggregateNotFoundError, Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.system import ProcessApplication, System


class Dog(Aggregate):
    @event("Registered")
    def __init__(self, name: str) -> None:
        self.name = name
        self.tricks: list[str] = []

    @staticmethod
    def create_id(name: str) -> UUID:
        return uuid5(NAMESPACE_URL, f"/dogs/{name}")

    @event("TrickAdded")
    def add_trick(self, trick: str) -> None:
        self.tricks.append(trick)


class Counter(Aggregate):
    @event("Started")
    def __init__(self, name: str) -> None:
        self.name = name
        self.count = 0

    @staticmethod
    def create_id(name: str) -> UUID:
        return uuid5(NAMESPACE_URL, f"/counters/{name}")

    @event("Incremented")
    def increment(self) -> None:
        self.count += 1


class TrainingSchool(Application):
    def register(self, name: str) -> None:
        self.save(Dog(name))

    def add_trick(self, name: str, trick: str) -> None:
        dog = self.repository.get(Dog.create_id(name))
        dog.add_trick(trick)
        self.save(dog)

    def get_tricks(self, name: str) -> list[str]:
        return self.repository.get(Dog.create_id(name)).tricks


class _Counting(ProcessApplication):
    counted: str

    def policy(self, domain_event, processing_event):
        if type(domain_event).__name__ == self.counted:
            self.process(domain_event)
            try:
                counter = self.repository.get(Counter.create_id(self.name))
            except AggregateNotFoundError:
                counter = Counter(self.name)
            counter.increment()
            processing_event.collect_events(counter)

    def process(self, domain_event) -> None:
        """What the tests hook into: by default, stop for good at a trick called 'wait for the end'."""
        if getattr(domain_event, "trick", None) == "wait for the end" and "SCHOOL_WAITING" in os.environ:
            Path(os.environ["SCHOOL_WAITING"]).open("w").close()
            signal.pause()

    @property
    def count(self) -> int:
        try:
            return self.repository.get(Counter.create_id(self.name)).count
        except AggregateNotFoundError:
            return 0


class Counters(_Counting):
    counted = "TrickAdded"


class Celebrations(_Counting):
    counted = "Incremented"


def make_system() -> System:
    return System([[TrainingSchool, Counters, Celebrations]])
