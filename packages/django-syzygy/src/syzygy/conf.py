"""The stage settings, read once and again whenever a test overrides them.

The module globals hold typed copies; the dictionaries in the user's settings are never changed.
"""

import os
import site
import sys
import sysconfig
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError
from django.core.signals import setting_changed

from pentad_config import ConfigError

from .constants import Stage
from .migration_settings import MigrationSettings, as_sentence

__all__ = ("MIGRATION_STAGES_FALLBACK", "MIGRATION_STAGES_OVERRIDE", "is_third_party_app", "refuse_wrong_settings")

MIGRATION_STAGES_OVERRIDE: dict[str, Stage] = {}
MIGRATION_STAGES_FALLBACK: dict[str, Stage] = {}

_WATCHED = {
    "MIGRATION_STAGES_OVERRIDE",
    "MIGRATION_STAGES_FALLBACK",
    "MIGRATION_THIRD_PARTY_STAGES_FALLBACK",
    "INSTALLED_APPS",
}


def is_third_party_app(app_config: AppConfig) -> bool:
    """Tell whether an app was installed rather than written in this project.

    An app is third-party when it lies in one of the interpreter's package folders (Debian's `dist-packages` and a
    user's own site-packages included), or elsewhere below an installation prefix (a virtual environment, say) that
    does not contain the project itself.
    """
    path = _resolved(app_config.path)
    if _lies_in(path, _package_folders()):
        return not _shares_package_with_project(app_config)
    project = _project_folder()
    return _lies_in(path, (prefix for prefix in map(_resolved, site.PREFIXES) if not _lies_in(project, [prefix])))


@lru_cache
def _resolved(path: str | os.PathLike[str]) -> str:
    """Cached, as this happens at every start of every command, for each app."""
    return os.path.realpath(path)


def _lies_in(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(os.path.join(folder, "")) for folder in folders)


@lru_cache(maxsize=1)
def _package_folders() -> tuple[str, ...]:
    folders = {*site.getsitepackages(), site.getusersitepackages()}
    folders |= {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    # Debian's interpreter also looks where neither function points when it is embedded or run with -S.
    folders |= {entry for entry in sys.path if Path(entry).name in {"site-packages", "dist-packages"}}
    return tuple(_resolved(folder) for folder in folders if folder)


def _settings_file() -> str | None:
    module = sys.modules.get(getattr(settings, "SETTINGS_MODULE", None) or "")
    return getattr(module, "__file__", None)


def _project_folder() -> str:
    found = _settings_file()
    return str(Path(_resolved(found)).parent) if found else _resolved(getattr(settings, "BASE_DIR", Path.cwd()))


def _shares_package_with_project(app_config: AppConfig) -> bool:
    """A project deployed as a wheel lies in site-packages too: its settings tell its package."""
    found = _settings_file()
    if found is None or not _lies_in(_resolved(found), _package_folders()):
        return False
    return app_config.name.partition(".")[0] == settings.SETTINGS_MODULE.partition(".")[0]


def _configure() -> None:
    """Read the settings into this module; everything wrong with them is said in one error."""
    global MIGRATION_STAGES_OVERRIDE, MIGRATION_STAGES_FALLBACK
    try:
        declared = MigrationSettings.current()
    except ConfigError as error:
        raise ImproperlyConfigured(" ".join(map(as_sentence, error.problems))) from None
    fallback = dict(declared.stages_fallback)
    if declared.third_party_stages_fallback is not None:
        for app_config in filter(is_third_party_app, apps.get_app_configs()):
            fallback.setdefault(app_config.label, declared.third_party_stages_fallback)
    MIGRATION_STAGES_OVERRIDE, MIGRATION_STAGES_FALLBACK = declared.stages_override, fallback


def refuse_wrong_settings() -> None:
    """Raise `CommandError` if the settings cannot be used: guessed stages would migrate at the wrong time."""
    try:
        MigrationSettings.current()
    except ConfigError as error:
        lines = "".join(f"\n  {as_sentence(problem)}" for problem in error.problems)
        raise CommandError(f"The settings of the stages are wrong:{lines}") from None


def _setting_changed(*, setting: str, **_: Any) -> None:
    if setting in _WATCHED:
        _configure()


def _watch_settings() -> None:
    """Follow `override_settings`."""
    setting_changed.connect(_setting_changed, dispatch_uid="syzygy.conf")
