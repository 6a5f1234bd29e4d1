"""The databases that migrations are written for, as far as the settings tell; nothing is connected to."""

from django.conf import settings
from django.db import connections, router

__all__ = ("vendors",)


def vendors(app_label: str) -> set[str]:
    """Return the vendors of all databases that an app's migrations run on, `dummy` being none.

    Those of DATABASES, unless MIGRATION_DATABASE_VENDORS names those of the places that migrations are deployed to.
    """
    declared = getattr(settings, "MIGRATION_DATABASE_VENDORS", None)
    if declared is not None:
        return set(declared)
    return {
        connections[alias].vendor
        for alias in connections
        if connections[alias].vendor != "unknown" and router.allow_migrate(alias, app_label)
    }
