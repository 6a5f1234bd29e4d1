"""System checks: every migration has a stage, and the settings can be used and name things that exist."""

import os
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from importlib.machinery import all_suffixes
from pkgutil import iter_modules
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004
from django.core.exceptions import ImproperlyConfigured
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader

from pentad_config import ConfigError

from .inference import get_migration_stage
from .migration_settings import MigrationSettings, as_sentence
from .spelling import suggestion

__all__ = ("check_migrations", "check_quorum_backend", "check_settings", "check_stage_settings")

_MODULE_SUFFIXES = frozenset(all_suffixes())
_HINT = (
    "Give the migration class an explicit `stage`, or split its operations over two migrations if it is not "
    "applied anywhere yet. For a migration that is not yours, name it in `MIGRATION_STAGES_OVERRIDE` or "
    "`MIGRATION_STAGES_FALLBACK`."
)


def check_migrations(app_configs: Sequence[AppConfig] | None = None, **_: Any) -> list[CheckMessage]:
    """Report each migration file whose stage is ambiguous or invalid (`migrations.0001`).

    While the settings are wrong nobody knows: `check_settings` speaks first.
    """
    messages: list[CheckMessage] = []
    if _declared() is None:
        return messages
    for app_config in apps.get_app_configs() if app_configs is None else app_configs:
        for migration in _migrations_on_disk(app_config):
            try:
                get_migration_stage(migration)
            except ValueError as error:
                identity = (migration.app_label, migration.name)
                messages.append(Error(str(error), hint=_HINT, obj=identity, id="migrations.0001"))
    return messages


def _migrations_on_disk(app_config: AppConfig) -> Iterator[Migration]:
    """Read the files themselves: the check also speaks for files the migration graph does not reach."""
    module_name, _ = MigrationLoader.migrations_module(app_config.label)
    if module_name is None:
        return
    try:
        package = import_module(module_name)
    except ImportError:
        return  # No migrations; Django's own loader reports a package that is there and broken.
    if getattr(package, "__file__", None) is None:
        return
    for name in sorted(_module_names(getattr(package, "__path__", ()))):
        try:
            migration_class = getattr(import_module(f"{module_name}.{name}"), "Migration", None)
        except ImportError:
            continue  # migrate and makemigrations stop at it with a traceback.
        if migration_class is not None:
            yield migration_class(name, app_config.label)


def _module_names(folders: Iterable[str]) -> Iterator[str]:
    """The modules that Django's loader takes for migrations; of plain folders much faster than by the import system."""
    for folder in folders:
        if os.path.isdir(folder):
            parts = [file.partition(".") for file in os.listdir(folder)]
            names = [name for name, dot, suffix in parts if dot + suffix in _MODULE_SUFFIXES]
        else:
            names = [module.name for module in iter_modules([folder]) if not module.ispkg]
        yield from (name for name in names if name and name[0] not in "_~")


def _declared() -> MigrationSettings | None:
    try:
        return MigrationSettings.current()
    except ConfigError:
        return None


def check_settings(**_: Any) -> list[CheckMessage]:
    """Report everything that is wrong with the `MIGRATION_*` settings (`migrations.E0003`)."""
    try:
        MigrationSettings.current()
    except ConfigError as error:
        return [
            Error(as_sentence(problem), obj=_settings_module(), id="migrations.E0003") for problem in error.problems
        ]
    return []


def check_quorum_backend(**_: Any) -> list[CheckMessage]:
    """Report a quorum backend that cannot be imported or refuses its options (`migrations.E0004`)."""
    declared = _declared()
    if declared is None or declared.quorum_backend is None:
        return []
    from .quorum.configuration import try_declaration

    try:
        try_declaration(declared.quorum_backend)
    except ImproperlyConfigured as error:
        return [Error(str(error), obj=_settings_module(), id="migrations.E0004")]
    return []


def check_stage_settings(**_: Any) -> list[CheckMessage]:
    """Warn of a stage setting for an app or migration that does not exist (`migrations.W0002`)."""
    known = {app_config.label: app_config for app_config in apps.get_app_configs()}
    messages: list[CheckMessage] = []
    for setting in ("MIGRATION_STAGES_OVERRIDE", "MIGRATION_STAGES_FALLBACK"):
        for key in _keys(setting):
            label, _dot, name = key.partition(".")
            if label not in known:
                messages.append(_unknown(setting, key, "app", label, known))
            elif name and name not in (names := [m.name for m in _migrations_on_disk(known[label])]):
                messages.append(_unknown(setting, key, "migration", name, names))
    return messages


def _keys(setting: str) -> list[str]:
    """The keys as declared: their names are checked also where their stages are wrong."""
    declared = getattr(settings, setting, None)
    return [key for key in declared if isinstance(key, str)] if isinstance(declared, dict) else []


def _unknown(setting: str, key: str, kind: str, name: str, candidates: Iterable[str]) -> CheckMessage:
    return Warning(
        f"{setting}[{key!r}] names {kind} {name!r}, which does not exist.",
        hint=suggestion(name, candidates) or "Remove the entry or correct its name.",
        obj=_settings_module(),
        id="migrations.W0002",
    )


def _settings_module() -> str:
    return str(getattr(settings, "SETTINGS_MODULE", None) or "settings")
