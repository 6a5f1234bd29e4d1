"""Django system checks: settings that would be ignored, or understood differently from what they say."""

from __future__ import annotations

from typing import Any

import django
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004  Django's own name
from django.core.management import get_commands

from django_minio_backend.configured import configured_options, storage_class
from django_minio_backend.options import OURS
from django_minio_backend.static import MinioBackendStatic

__all__ = ["check_settings"]

_REMOVED = {"DEFAULT_FILE_STORAGE": "default", "STATICFILES_STORAGE": "staticfiles"}


def check_settings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:  # noqa: ARG001  the checks' signature
    """Return an error for each setting that is removed, missing or wrong, a warning for each unknown one.

    Entries of subclasses are looked at too; when Django starts they are not.
    """
    everything = configured_options()
    wrong = [problem for options in everything for problem in (*options.problems(complete=True), *options.mixed())]
    unknown = [problem for options in everything for problem in options.unknown()]
    return [
        *_removed_settings(),
        *(Error(str(problem), id=f"{OURS}E002") for problem in dict.fromkeys(wrong)),
        *(Warning(str(problem), id=f"{OURS}W001") for problem in dict.fromkeys(unknown)),
        *_other_collectstatic(),
    ]


def _removed_settings() -> list[CheckMessage]:
    return [
        Error(
            f"{name} = {value!r} has no effect: Django {django.get_version()} reads STORAGES only.",
            hint=f'Write STORAGES = {{..., "{alias}": {{"BACKEND": "{value}"}}}}. The global MINIO_ settings may stay.',
            id=f"{OURS}E001",
        )
        for name, alias in _REMOVED.items()
        if str(value := getattr(settings, name, "")).startswith(OURS)
    ]


def _other_collectstatic() -> list[CheckMessage]:
    """Warn if Django's own collectstatic is in front of ours, and static files go into a bucket."""
    backend = storage_class(settings.STORAGES.get("staticfiles", {}))
    ours_runs = get_commands().get("collectstatic") == "django_minio_backend"
    if backend is None or not issubclass(backend, MinioBackendStatic) or ours_runs:
        return []
    return [
        Warning(
            "collectstatic asks the server about every single file, because Django's own command is used.",
            hint='Write "django_minio_backend" before "django.contrib.staticfiles" in INSTALLED_APPS.',
            id=f"{OURS}W002",
        )
    ]
