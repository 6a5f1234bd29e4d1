"""The project's applications, which alone know how their events are decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.db import models, router
from django.http import HttpRequest
from django.utils.module_loading import import_string
from eventsourcing.system import Runner

from eventsourcing_django.library import Application, name_of
from eventsourcing_django.runners import get_eventsourcing_runner

__all__ = ["AnyApplication", "applications_by_name", "database_of", "databases", "followed_applications"]

_SETTING = "EVENTSOURCING_ADMIN_APPLICATIONS"
DATABASE = "database"  # the parameter of a page's address

if TYPE_CHECKING:
    AnyApplication = Application[Any]
else:
    AnyApplication = Application


def applications_by_name(alias: str | None = None) -> tuple[dict[str, AnyApplication], list[str]]:
    """Find the applications of this process by their names.

    They are attributes of an `AppConfig`, or belong to a runner that is one or that ``EVENTSOURCING_RUNNER`` names,
    or are listed in the setting ``EVENTSOURCING_ADMIN_APPLICATIONS``: dotted paths to applications, or to functions
    that return one and are called once.

    Args:
        alias: of several applications of a name, prefer the one whose events are in this database.

    Returns:
        The applications, and what went wrong where the settings name something that cannot be had.
    """
    problems: list[str] = []
    found: dict[str, AnyApplication] = {}
    for application in sorted(_applications(problems), key=lambda each: alias not in {None, _using(each)}):
        found.setdefault(name_of(application), application)
    return found, problems


def followed_applications() -> set[tuple[str, str]]:
    """Give the pairs of follower and leader that the systems of the runners have."""
    problems: list[str] = []
    return {
        (follower, leader)
        for runner in _runners(problems)
        for follower in runner.system.followers
        for leader in runner.system.follows[follower]
    }


def databases(model: type[models.Model]) -> list[str]:
    """Give the aliases of the databases that hold events: the first is where the model is written by default."""
    using = filter(None, map(_using, _applications([])))
    return list(dict.fromkeys([router.db_for_write(model), *using]))


def database_of(request: HttpRequest, model: type[models.Model]) -> str:
    """Give the alias that a page is asked for, or the default one."""
    known = databases(model)
    chosen = request.GET.get(DATABASE)
    return chosen if chosen in known else known[0]


def _using(application: AnyApplication) -> str | None:
    return getattr(application.recorder, "using", None)


def _applications(problems: list[str]) -> Iterator[AnyApplication]:
    for path in getattr(settings, _SETTING, ()):
        made = _noted(problems, f"{_SETTING}: {path}", _made, path)
        if isinstance(made, Application):
            yield made
        elif made is not None:
            problems.append(f"{_SETTING}: {path} is a {type(made).__name__}, not an application")
    for config in apps.get_app_configs():
        yield from (value for value in vars(config).values() if isinstance(value, Application))
    for runner in _runners(problems):
        yield from _applications_of(runner)


def _runners(problems: list[str]) -> Iterator[Runner[Any]]:
    for config in apps.get_app_configs():
        yield from (value for value in vars(config).values() if isinstance(value, Runner))
    path = getattr(settings, "EVENTSOURCING_RUNNER", None)
    if path is not None:
        runner = _noted(problems, "EVENTSOURCING_RUNNER", _configured_runner, path)
        if runner is not None:
            yield runner


@cache
def _configured_runner(_path: object) -> Runner[Any]:
    # Cached: a function that the setting names makes applications, and a page is no reason to make them again.
    return get_eventsourcing_runner()


@cache
def _made(path: str) -> object:
    named = import_string(path)
    return named if isinstance(named, Application) else named()


def _noted(problems: list[str], what: str, function: Callable[[Any], Any], path: object) -> Any:
    try:
        return function(path)
    except Exception as error:  # noqa: BLE001  # the project's code, whose failure must not take the page down
        problems.append(f"{what}: {type(error).__name__}")
        return None


def _applications_of(runner: Runner[Any]) -> Iterator[AnyApplication]:
    for name in runner.system.nodes:
        try:
            yield runner.get(runner.system.get_app_cls(name))
        except KeyError:  # a runner with threads makes its applications when it is started
            continue
