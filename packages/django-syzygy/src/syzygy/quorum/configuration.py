"""The `MIGRATION_QUORUM_BACKEND` setting and the backend built from it.

The values of options never appear in an error: they may be passwords.
"""

import threading
from inspect import signature
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from pentad_config import redact

from .backends.base import QuorumBase

__all__ = ("get_backend",)

_SETTING = "MIGRATION_QUORUM_BACKEND"


class _Declaration(NamedTuple):
    path: str
    options: dict[str, Any]


_lock = threading.Lock()
_built: tuple[_Declaration, QuorumBase] | None = None


def get_backend() -> QuorumBase:
    """Return the configured backend, the same one until the setting changes.

    Raises `ImproperlyConfigured` if the setting is missing or its backend cannot be made.
    """
    global _built  # noqa: PLW0603
    declaration = _declaration()
    with _lock:
        if _built is None or not _same(_built[0], declaration):
            if _built is not None:
                _built[1].close()
            _built = None
            _built = (declaration, _build(declaration))
        return _built[1]


def _declaration() -> _Declaration:
    declared = getattr(settings, _SETTING, None)
    if declared is None:
        raise ImproperlyConfigured(
            f"A quorum needs the setting {_SETTING}, for example 'syzygy.quorum.backends.postgres.PostgresQuorum'."
        )
    if isinstance(declared, str):
        return _Declaration(declared, {})
    path = declared.get("backend") if isinstance(declared, dict) else None
    if not isinstance(path, str):
        raise ImproperlyConfigured(
            f"The setting {_SETTING} must be the import path of a backend, or a dictionary with that path under "
            "'backend' and the backend's options beside it."
        )
    return _Declaration(path, {name: value for name, value in declared.items() if name != "backend"})


def _same(one: _Declaration, other: _Declaration) -> bool:
    """Compare options by identity first: a secret need not be comparable."""
    return one.path == other.path and list(one.options) == list(other.options) and one.options == other.options


def _build(declaration: _Declaration) -> QuorumBase:
    path, options = declaration
    try:
        backend_class = import_string(path)
    except ImportError as error:
        raise ImproperlyConfigured(f"The quorum backend {path!r} of {_SETTING} cannot be imported.") from error
    try:
        signature(backend_class).bind(**options)
    except TypeError as error:
        raise ImproperlyConfigured(f"The quorum backend {path!r} refuses its options: {error}.") from None
    except ValueError:
        pass  # A signature that cannot be known says nothing; the call below does.
    return _construct(backend_class, path, options)


def _construct(backend_class: Any, path: str, options: dict[str, Any]) -> QuorumBase:
    names = ", ".join(map(repr, options)) or "none"
    try:
        backend = backend_class(**options)
    except ImproperlyConfigured as error:
        raise ImproperlyConfigured(f"The quorum backend {path!r}: {redact(str(error))}") from None
    except Exception as error:  # noqa: BLE001 - what a backend raises is its own affair
        # Not chained: the text of a foreign exception may quote an option.
        raise ImproperlyConfigured(
            f"The quorum backend {path!r} cannot be made from its options ({names}): {type(error).__name__}."
        ) from None
    if not isinstance(backend, QuorumBase):
        raise ImproperlyConfigured(f"The quorum backend {path!r} is not a subclass of {QuorumBase.__name__}.")
    return backend
