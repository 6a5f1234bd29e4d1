"""The quorum backend that the `MIGRATION_QUORUM_BACKEND` setting declares.

The values of options never appear in an error: they may be passwords.
"""

import threading
from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from pentad_config import ConfigError
from syzygy.migration_settings import MigrationSettings, QuorumDeclaration, as_sentence
from syzygy.spelling import suggestion

from .backends.base import QuorumBase
from .backends.rounds import RoundQuorum

__all__ = ("get_backend", "try_declaration")

_SETTING = "MIGRATION_QUORUM_BACKEND"
_OURS = (
    "syzygy.quorum.backends.postgres.PostgresQuorum",
    "syzygy.quorum.backends.cache.CacheQuorum",
    "syzygy.quorum.backends.database.DatabaseQuorum",
)

_lock = threading.Lock()
_built: tuple[QuorumDeclaration, QuorumBase] | None = None


def get_backend() -> QuorumBase:
    """Return the configured backend, the same one until the setting changes.

    Raises `ImproperlyConfigured` if the setting is missing or its backend cannot be made.
    """
    global _built  # noqa: PLW0603
    declaration = _declaration()
    with _lock:
        if _built is None or _built[0] != declaration:
            if _built is not None:
                _built[1].close()
            _built = None
            _built = (declaration, _construct(_imported(declaration), declaration))
        return _built[1]


def _declaration() -> QuorumDeclaration:
    try:
        declared = MigrationSettings.current().quorum_backend
    except ConfigError as error:
        raise ImproperlyConfigured(" ".join(map(as_sentence, error.problems))) from None
    if declared is None:
        raise ImproperlyConfigured(f"A quorum needs the setting {_SETTING}, for example {_OURS[0]!r}.")
    return declared


def try_declaration(declaration: QuorumDeclaration) -> None:
    """Raise `ImproperlyConfigured` for what can be known to be wrong without reaching any server.

    Our own backends connect when they are used; one of somebody else might do so when it is made.
    """
    made = _imported(declaration)
    if isinstance(made, type) and issubclass(made, RoundQuorum):
        _construct(made, declaration)


def _imported(declaration: QuorumDeclaration) -> Callable[..., Any]:
    """Return the class, or the function that makes the backend, once it is known to take the options."""
    path = declaration.path
    try:
        found: Callable[..., Any] = import_string(path)
    except ImportError as error:
        text = f"The quorum backend {path!r} of {_SETTING} cannot be imported. {suggestion(path, _OURS)}"
        raise ImproperlyConfigured(text.rstrip()) from error
    if isinstance(found, type) and not issubclass(found, QuorumBase):
        raise ImproperlyConfigured(f"The quorum backend {path!r} is not a subclass of {QuorumBase.__name__}.")
    try:
        bound = signature(found)
    except (TypeError, ValueError):
        return found  # A signature that cannot be known says nothing; the call does.
    refusal = _refusal(list(bound.parameters.values()), list(declaration.options))
    if refusal:
        raise ImproperlyConfigured(f"The quorum backend {path!r} of {_SETTING} {refusal}")
    return found


def _refusal(parameters: list[Parameter], options: list[str]) -> str:
    """Say which options are unknown or missing; nothing if all is well."""
    if any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters):
        return ""
    named = [p for p in parameters if p.kind in {Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY}]
    names = [parameter.name for parameter in named]
    unknown = [f"has no option {option!r}. {suggestion(option, names)}" for option in options if option not in names]
    missing = [p.name for p in named if p.default is Parameter.empty and p.name not in options]
    return " ".join([*unknown, *(f"needs the option {name!r}." for name in missing)]).strip()


def _construct(backend_class: Callable[..., Any], declaration: QuorumDeclaration) -> QuorumBase:
    path, refusal = declaration.path, ""
    try:
        backend = backend_class(**declaration.options)
    except Exception as error:  # noqa: BLE001 - what a backend raises is its own affair
        refusal = _told(error, declaration)
    if refusal:
        # Raised out here: the error above, its text and its frames may hold an option.
        raise ImproperlyConfigured(f"The quorum backend {path!r} of {_SETTING} {refusal}")
    if not isinstance(backend, QuorumBase):
        raise ImproperlyConfigured(f"The quorum backend {path!r} is not a subclass of {QuorumBase.__name__}.")
    return backend


def _told(error: Exception, declaration: QuorumDeclaration) -> str:
    """Quote an error of our own backends, which show aliases only; of any other say just its kind."""
    if declaration.path in _OURS and isinstance(error, ImproperlyConfigured):
        return f"cannot be made: {error}"
    names = ", ".join(map(repr, declaration.options)) or "none"
    return f"cannot be made from its options ({names}): {type(error).__name__}."
