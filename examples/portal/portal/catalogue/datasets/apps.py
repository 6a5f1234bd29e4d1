"""The Django app, which holds the web process's one curation application."""

from django.apps import AppConfig
from django.conf import settings


class DatasetsConfig(AppConfig):
    """Data sets and their curation."""

    name = "portal.catalogue.datasets"
    label = "datasets"

    def ready(self) -> None:
        """Make the event-sourced application that views and commands use."""
        from portal.catalogue.datasets.curation import Curation

        self.curation = Curation(env=settings.EVENT_SOURCING_APPLICATION)
