"""The one place where applications are made."""

from django.apps import AppConfig
from django.conf import settings
from eventsourcing.system import SingleThreadedRunner

from lending.domain import Lending, Popularity, make_system


class LendingConfig(AppConfig):
    name = "lending"

    def ready(self) -> None:
        # Not started: requests only record. `run_followers` processes, in a process of its own.
        self.runner = SingleThreadedRunner(make_system(), env=settings.EVENT_SOURCING_APPLICATION)
        self.lending = self.runner.get(Lending)
        self.popularity = self.runner.get(Popularity)
