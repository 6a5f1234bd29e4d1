"""The Django application."""

from contextlib import suppress

from django.apps import AppConfig
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from . import conf
from .checks import check_migrations, check_quorum_backend, check_settings, check_stage_settings

__all__ = ("SyzygyConfig",)


class SyzygyConfig(AppConfig):
    """Reads the stage settings, follows their changes, registers the checks."""

    name = "syzygy"

    def ready(self) -> None:  # noqa: D102
        # Wrong settings do not stop the start: `check` says all about them, and our commands refuse to run.
        with suppress(ImproperlyConfigured):
            conf._configure()  # noqa: SLF001
        conf._watch_settings()  # noqa: SLF001
        for check in (check_settings, check_stage_settings, check_quorum_backend, check_migrations):
            checks.register(check, "migrations")
