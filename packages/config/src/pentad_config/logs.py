"""logging, structlog and Sentry: nothing leaves with a secret's value in it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from pentad_config.redaction import redact

if TYPE_CHECKING:
    from collections.abc import MutableMapping

__all__ = ["RedactingFormatter", "install", "redact_event"]


class RedactingFormatter(logging.Formatter):
    """Wraps a formatter and redacts the line it makes, traceback included."""

    def __init__(self, wrapped: logging.Formatter | None = None) -> None:
        super().__init__()
        self._wrapped = wrapped or logging.Formatter()

    def format(self, record: logging.LogRecord) -> str:
        """Return the wrapped formatter's line without secrets."""
        return str(redact(self._wrapped.format(record)))


def install(logger: logging.Logger | None = None) -> None:
    """Make every handler of `logger`, by default the root logger, redact what it writes.

    Call it after logging has been configured; handlers that are added later are not covered. Calling it again
    covers them and changes nothing else.
    """
    for handler in (logger or logging.getLogger()).handlers:
        if not isinstance(handler.formatter, RedactingFormatter):
            handler.setFormatter(RedactingFormatter(handler.formatter))


def redact_event(first: Any, _second: Any = None, event: MutableMapping[str, Any] | None = None) -> Any:
    """Redact one event: a structlog processor, and Sentry's `before_send` and `before_breadcrumb`.

    structlog calls it with (logger, method, event), Sentry with (event, hint).
    """
    return redact(dict(event)) if event is not None else redact(first)
