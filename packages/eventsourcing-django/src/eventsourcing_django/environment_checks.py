"""System checks of what is written for applications in Django's settings: `EVENT_SOURCING_APPLICATION` and its like."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.db import connections

from eventsourcing_django.library import Application, InfrastructureFactory

__all__ = ["check_environments"]

_ALIAS = "DJANGO_DB_ALIAS"
_MODULE = "PERSISTENCE_MODULE"
_DOCUMENTED = "EVENT_SOURCING_APPLICATION"
_CLOSE = 0.85  # of 1: a letter wrong, missing or too many, but not another word


def check_environments(**_: Any) -> list[CheckMessage]:
    """Report misspelt names, and databases that do not exist, in the environments of applications.

    Looked at are the setting `EVENT_SOURCING_APPLICATION` and every other that is a dictionary with a
    `PERSISTENCE_MODULE` of this package. No message holds a value other than the alias of a database.
    """
    return [
        message
        for setting, environment in _environments()
        for name, value in environment.items()
        for message in _messages(setting, name, value)
    ]


def _environments() -> Iterator[tuple[str, Mapping[Any, Any]]]:
    # Django's defaults are none of these, and reading some of them is deprecated.
    names = filter(str.isupper, {*dir(settings)})
    for setting in sorted(filter(settings.is_overridden, names)):  # type: ignore[misc]  # the stubs lack it
        value = getattr(settings, setting)
        if isinstance(value, Mapping) and (setting == _DOCUMENTED or _is_ours(value)):
            yield setting, value


def _is_ours(environment: Mapping[Any, Any]) -> bool:
    return any(
        _bare(name, {_MODULE}) == _MODULE and str(value).partition(".")[0] == "eventsourcing_django"
        for name, value in environment.items()
    )


def _messages(setting: str, name: Any, value: Any) -> Iterator[CheckMessage]:
    known = _known()
    where = f"{setting}[{name!r}]"
    bare = _bare(name, known)
    if bare is None and (meant := _meant(str(name), known)):
        yield CheckWarning(
            f"{where} is not the name of anything that is read.",
            hint=f"Did you mean {meant!r}?",
            id="eventsourcing_django.W003",
        )
    elif bare == _ALIAS and value and value not in list(connections):
        close = get_close_matches(str(value), list(connections), 1)
        yield Error(
            f"{where} is {value!r}, which is not in DATABASES.",
            hint=f"Did you mean {close[0]!r}?" if close else f"Use one of: {', '.join(connections)}.",
            id="eventsourcing_django.E001",
        )


def _known() -> set[str]:
    """The names that the library and this package read; what others read may have any name."""
    classes = (*Application.__mro__, *InfrastructureFactory.__mro__)
    constants = {value for cls in classes for name, value in vars(cls).items() if name.isupper() and value == name}
    ours = {"CIPHER_ACCEPT_PLAINTEXT", "CIPHER_KEY", "DJANGO_LOCK_TIMEOUT", "ORIGINATOR_ID_TYPE"}
    return {*constants, _ALIAS, *ours}


def _bare(name: Any, known: set[str]) -> str | None:
    """Return the known name, also where an application's name stands before it."""
    return next((item for item in known if str(name) == item or str(name).endswith(f"_{item}")), None)


def _meant(name: str, known: set[str]) -> str | None:
    """Return the known name that is close to `name` or to what follows an application's name in it."""
    words = name.split("_")
    for start in range(len(words)):
        close = get_close_matches("_".join(words[start:]).upper(), sorted(known), 1, _CLOSE)
        if close:
            return "_".join([*words[:start], close[0]])
    return None
