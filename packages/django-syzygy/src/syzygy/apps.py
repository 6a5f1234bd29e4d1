"""The Django application."""

from django.apps import AppConfig
from django.core import checks

from . import conf
from .checks import check_migrations, check_stage_settings

__all__ = ("SyzygyConfig",)


class SyzygyConfig(AppConfig):
    """Reads the stage settings, follows their changes, registers the checks."""

    name = "syzygy"

    def ready(self) -> None:  # noqa: D102
        conf._configure()  # noqa: SLF001
        conf._watch_settings()  # noqa: SLF001
        checks.register(check_migrations, "migrations")
        checks.register(check_stage_settings, "migrations")
