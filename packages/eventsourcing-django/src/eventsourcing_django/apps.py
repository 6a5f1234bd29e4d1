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
        """Put the real factory in the place of the one that explains what is missing."""
        import eventsourcing_django  # noqa: PLC0415  # models are importable from here on
        from eventsourcing_django.checks import check_recorder_databases  # noqa: PLC0415
        from eventsourcing_django.factory import Factory  # noqa: PLC0415

        eventsourcing_django.Factory = Factory  # type: ignore[assignment,misc]
        checks.register(check_recorder_databases, checks.Tags.database)
