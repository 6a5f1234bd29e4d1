"""`manage.py run_shelf`: keeps the shelf up to date until it is stopped."""

from django.conf import settings
from django.core.management.base import BaseCommand
from eventsourcing.projection import ProjectionRunner

from lending.domain import Lending
from lending.projections import Shelf, ShelfProjection


def make_runner() -> ProjectionRunner:
    return ProjectionRunner(
        application_class=Lending,
        projection_class=ShelfProjection,
        view_class=Shelf,
        env=settings.EVENT_SOURCING_APPLICATION,
    )


class Command(BaseCommand):
    help = "Keeps the shelf up to date until it is stopped."

    def handle(self, **options) -> None:
        with make_runner() as runner:
            runner.run_forever()
