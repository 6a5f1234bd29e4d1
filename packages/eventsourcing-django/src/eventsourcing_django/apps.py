"""The Django app."""

from django.apps import AppConfig
from django.core import checks

__all__ = ["EventsourcingConfig"]


class EventsourcingConfig(AppConfig):
    """Makes the models, the factory and the management commands available to a Django project."""

    name = "eventsourcing_django"
    verbose_name = "Event sourcing"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Put the real factory in the place of the one that explains what is missing, and respect transactions."""
        # Models are importable from here on.
        import eventsourcing_django
        from eventsourcing_django import aggregate_caches, prompting
        from eventsourcing_django.checks import check_recorder_databases
        from eventsourcing_django.environment_checks import check_environments
        from eventsourcing_django.factory import Factory

        eventsourcing_django.Factory = Factory  # type: ignore[assignment,misc]
        aggregate_caches.install()
        prompting.install()
        checks.register(check_recorder_databases, checks.Tags.database)
        checks.register(check_environments)
