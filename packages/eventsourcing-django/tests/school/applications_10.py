"""The system of `school.applications` as it is written for eventsourcing 10: repositories are told the class."""

import os
import signal
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from eventsourcing.application import AggregateNotFoundError
from eventsourcing.dataclasses import Aggregate, AggregatesApplication, Decision, ProcessApplication
from eventsourcing.decorator import triggers
from eventsourcing.system import System


class Dog(Aggregate):
    class Registered(Decision):
        name: str

    class TrickAdded(Decision):
        trick: str

    @triggers(Registered)
    def __init__(self, name: str) -> None:
        self.name = name
        self.tricks: list[str] = []

    @staticmethod
    def create_id(name: str) -> str:
        return str(uuid5(NAMESPACE_URL, f"/dogs/{name}"))

    @triggers(TrickAdded)
    def add_trick(self, trick: str) -> None:
        self.tricks.append(trick)


class Counter(Aggregate):
    class Started(Decision):
        name: str

    class Incremented(Decision):
        pass

    @triggers(Started)
    def __init__(self, name: str) -> None:
        self.name = name
        self.count = 0

    @staticmethod
    def create_id(name: str) -> str:
        return str(uuid5(NAMESPACE_URL, f"/counters/{name}"))

    @triggers(Incremented)
    def increment(self) -> None:
        self.count += 1


class TrainingSchool(AggregatesApplication):
    def register(self, name: str) -> None:
        self.save(Dog(name=name))

    def add_trick(self, name: str, trick: str) -> None:
        dog = self.repository.get(Dog.create_id(name), Dog)
        dog.add_trick(trick)
        self.save(dog)

    def get_tricks(self, name: str) -> list[str]:
        return self.repository.get(Dog.create_id(name), Dog).tricks


class _Counting(ProcessApplication):
    counted: str

    def policy(self, envelope, processing_event):
        if type(envelope.decision).__name__ == self.counted:
            self.process(envelope.decision)
            try:
                counter = self.repository.get(Counter.create_id(self.context_name), Counter)
            except AggregateNotFoundError:
                counter = Counter(name=self.context_name)
            counter.increment()
            processing_event.collect_events(counter)

    def process(self, decision) -> None:
        """What the tests hook into: by default, stop for good at a trick called 'wait for the end'."""
        if getattr(decision, "trick", None) == "wait for the end" and "SCHOOL_WAITING" in os.environ:
            Path(os.environ["SCHOOL_WAITING"]).open("w").close()
            signal.pause()

    @property
    def count(self) -> int:
        try:
            return self.repository.get(Counter.create_id(self.context_name), Counter).count
        except AggregateNotFoundError:
            return 0


class Counters(_Counting):
    counted = "TrickAdded"


class Celebrations(_Counting):
    counted = "Incremented"


def make_system() -> System:
    return System([[TrainingSchool, Counters, Celebrations]])
