"""A follower that writes a receipt for every event, at a cost that does not grow with their number."""

from uuid import NAMESPACE_URL, UUID, uuid5

from eventsourcing.domain import Aggregate, event
from eventsourcing.system import ProcessApplication, SingleThreadedRunner, System

from school.applications import TrainingSchool


class Receipt(Aggregate):
    @event("Written")
    def __init__(self, subject: str) -> None:
        self.subject = subject

    @staticmethod
    def create_id(subject: str) -> UUID:
        return uuid5(NAMESPACE_URL, f"/receipts/{subject}")


class Receipts(ProcessApplication):
    def policy(self, domain_event, processing_event):
        processing_event.collect_events(Receipt(f"{domain_event.originator_id} {domain_event.originator_version}"))


def make_runner():
    """Make the runner of the school and its receipts; the setting EVENTSOURCING_RUNNER can name it."""
    return SingleThreadedRunner(
        System([[TrainingSchool, Receipts]]), env={"PERSISTENCE_MODULE": "eventsourcing_django"}
    )
