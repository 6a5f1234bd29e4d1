"""Finding the project's system runner."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.management import CommandError
from eventsourcing.system import Runner

__all__ = ["RunnerConfigurationError", "get_eventsourcing_runner", "selected_followers"]

_SETTING = "EVENTSOURCING_RUNNER"


class RunnerConfigurationError(CommandError, ValueError):
    """Raised when the runner cannot be found, or not only one; a command prints it without a traceback."""


def get_eventsourcing_runner() -> Runner[Any]:
    """Find the runner that the setting ``EVENTSOURCING_RUNNER`` names or, without it, the one that an app holds.

    The setting is either ``'app_label.attribute'``, an attribute of the app's `AppConfig`, or
    ``'package.module.function'``, which is called without arguments. Without the setting, every public attribute
    of every `AppConfig` is looked at.

    Raises:
        RunnerConfigurationError: there is none, there are several, or what the setting names is not a runner.
        ModuleNotFoundError: the setting names neither an app nor a module.
        AttributeError: the app or the module has no such attribute.
    """
    path = getattr(settings, _SETTING, None)
    return _only_runner_of_apps() if path is None else _configured_runner(path)


def _configured_runner(path: object) -> Runner[Any]:
    if not isinstance(path, str) or not all(part for part in path.rpartition(".")):
        raise RunnerConfigurationError(
            f"{_SETTING} is {path!r}: it has to be 'app_label.attribute' or 'package.module.function'"
        )
    owner, _, name = path.rpartition(".")
    runner = getattr(apps.get_app_config(owner), name) if owner in apps.app_configs else _function(owner, name)()
    if not isinstance(runner, Runner):
        raise RunnerConfigurationError(f"{_SETTING} = {path!r} gives a {type(runner).__name__}, not a Runner")
    return runner


def _function(module: str, name: str) -> Callable[[], object]:
    try:
        function: Callable[[], object] = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        error.add_note(f"{_SETTING} names {module!r}, which is neither an installed app's label nor a module")
        raise
    return function


def _only_runner_of_apps() -> Runner[Any]:
    found = {id(runner): runner for config in apps.get_app_configs() for runner in _runners_of(config)}
    if not found:
        raise RunnerConfigurationError(
            f"No runner found in Django apps. Make it a public attribute of an AppConfig, or set {_SETTING}."
        )
    if len(found) > 1:
        raise RunnerConfigurationError(
            f"Found more than one ({len(found)}) runner in Django apps. Say which one with the setting {_SETTING}."
        )
    return next(iter(found.values()))


def _runners_of(config: AppConfig) -> list[Runner[Any]]:
    public = (getattr(config, name, None) for name in dir(config) if not name.startswith("_"))
    return [value for value in public if isinstance(value, Runner)]


def selected_followers(named: Sequence[str], known: Sequence[str]) -> list[str]:
    """Give the followers that a command names, or all of them if it names none.

    Raises:
        CommandError: there is no such follower.
    """
    unknown = [name for name in named if name not in known]
    if unknown:
        raise CommandError(f"Unknown follower(s): {', '.join(unknown)}. Known followers: {', '.join(known) or 'none'}.")
    return list(dict.fromkeys(named)) or list(known)
