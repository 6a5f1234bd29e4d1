"""The stage settings, read once and again whenever a test overrides them.

The module globals hold typed copies; the dictionaries in the user's settings are never changed.
"""

import os
import site
import sys
import sysconfig
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from .constants import Stage
from .exceptions import InvalidStage
from .stages import parse_stage

__all__ = ("MIGRATION_STAGES_FALLBACK", "MIGRATION_STAGES_OVERRIDE", "is_third_party_app")

MIGRATION_STAGES_OVERRIDE: dict[str, Stage] = {}
MIGRATION_STAGES_FALLBACK: dict[str, Stage] = {}

_OVERRIDE = "MIGRATION_STAGES_OVERRIDE"
_FALLBACK = "MIGRATION_STAGES_FALLBACK"
_THIRD_PARTY = "MIGRATION_THIRD_PARTY_STAGES_FALLBACK"


def is_third_party_app(app_config: AppConfig) -> bool:
    """Tell whether an app was installed rather than written in this project.

    An app is third-party when it lies in one of the interpreter's package folders (Debian's `dist-packages` and a
    user's own site-packages included), or elsewhere below an installation prefix (a virtual environment, say) that
    does not contain the project itself.
    """
    path = _resolved(app_config.path)
    if any(path.is_relative_to(folder) for folder in _package_folders()):
        return not _shares_package_with_project(app_config)
    project = _project_folder()
    return any(
        path.is_relative_to(prefix) and not project.is_relative_to(prefix) for prefix in map(_resolved, site.PREFIXES)
    )


def _resolved(path: str | os.PathLike[str]) -> Path:
    return Path(os.path.realpath(path))


@lru_cache(maxsize=1)
def _package_folders() -> tuple[Path, ...]:
    folders = {*site.getsitepackages(), site.getusersitepackages()}
    folders |= {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    # Debian's interpreter also looks where neither function points when it is embedded or run with -S.
    folders |= {entry for entry in sys.path if Path(entry).name in {"site-packages", "dist-packages"}}
    return tuple(_resolved(folder) for folder in folders if folder)


def _settings_file() -> str | None:
    module = sys.modules.get(getattr(settings, "SETTINGS_MODULE", None) or "")
    return getattr(module, "__file__", None)


def _project_folder() -> Path:
    found = _settings_file()
    return _resolved(found).parent if found else _resolved(getattr(settings, "BASE_DIR", Path.cwd()))


def _shares_package_with_project(app_config: AppConfig) -> bool:
    """A project deployed as a wheel lies in site-packages too: its settings tell its package."""
    found = _settings_file()
    if found is None or not any(_resolved(found).is_relative_to(folder) for folder in _package_folders()):
        return False
    return app_config.name.partition(".")[0] == settings.SETTINGS_MODULE.partition(".")[0]


def _read_stages(name: str, problems: list[str]) -> dict[str, Stage]:
    declared: Any = getattr(settings, name, None) or {}
    if not isinstance(declared, dict):
        problems.append(f"{name} must be a dictionary of app labels or migration names to stages.")
        return {}
    stages = {}
    for key, value in declared.items():
        try:
            stages[key] = parse_stage(value, f"{name}[{key!r}]")
        except InvalidStage as error:
            problems.append(str(error))
    return stages


def _read_third_party_stage(problems: list[str]) -> Stage | None:
    declared = getattr(settings, _THIRD_PARTY, Stage.PRE_DEPLOY)
    if not declared:
        return None
    try:
        return parse_stage(declared, _THIRD_PARTY)
    except InvalidStage as error:
        problems.append(str(error))
        return None


def _configure() -> None:
    """Read the settings into this module; everything wrong with them is said in one error."""
    global MIGRATION_STAGES_OVERRIDE, MIGRATION_STAGES_FALLBACK
    problems: list[str] = []
    override = _read_stages(_OVERRIDE, problems)
    fallback = _read_stages(_FALLBACK, problems)
    third_party_stage = _read_third_party_stage(problems)
    if problems:
        raise ImproperlyConfigured(" ".join(problems))
    if third_party_stage is not None:
        for app_config in filter(is_third_party_app, apps.get_app_configs()):
            fallback.setdefault(app_config.label, third_party_stage)
    MIGRATION_STAGES_OVERRIDE, MIGRATION_STAGES_FALLBACK = override, fallback


def _setting_changed(*, setting: str, **_: Any) -> None:
    if setting in {_OVERRIDE, _FALLBACK, _THIRD_PARTY, "INSTALLED_APPS"}:
        _configure()


def _watch_settings() -> None:
    """Follow `override_settings`."""
    setting_changed.connect(_setting_changed, dispatch_uid="syzygy.conf")
