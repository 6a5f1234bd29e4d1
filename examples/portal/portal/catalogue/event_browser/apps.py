"""Django's admin as an app that shows events and nothing else."""

from importlib import import_module

from django.contrib.admin.apps import SimpleAdminConfig


class EventBrowserConfig(SimpleAdminConfig):
    """Takes in the pages of `eventsourcing_django` alone: those of accounts would show tables that are not there."""

    default_site = "portal.catalogue.event_browser.site.EventBrowser"

    def ready(self) -> None:
        """Register the pages."""
        super().ready()
        import_module("eventsourcing_django.admin")
