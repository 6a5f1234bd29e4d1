"""Log events: what operators need to know and users must not see.

Session ids never appear in a log, only fingerprints of them.
"""

from __future__ import annotations

import logging

from starsessions.ids import fingerprint

__all__ = ["cookie_rejected", "cookie_unsendable", "session_discarded", "session_expired"]

_logger = logging.getLogger("starsessions")


def session_discarded(session_id: str, store: object, reason: str) -> None:
    """A stored session could not be read: the visitor got an empty one, the record was left alone."""
    _logger.warning(
        "Session %s of %s was not readable and an empty one took its place: %s",
        fingerprint(session_id),
        type(store).__name__,
        reason,
        extra={"event": "session.discarded", "session": fingerprint(session_id), "reason": reason},
    )


def session_expired(session_id: str, store: object) -> None:
    """A session was presented after the end of its lifetime and removed."""
    _logger.info(
        "Session %s of %s is past its lifetime and was removed.",
        fingerprint(session_id),
        type(store).__name__,
        extra={"event": "session.expired", "session": fingerprint(session_id)},
    )


def cookie_rejected(reason: str) -> None:
    """A cookie was not one of ours. Visitors can cause this at will, so it is no warning."""
    extra = {"event": "session.cookie_rejected", "reason": reason}
    _logger.info("A session cookie was ignored: %s", reason, extra=extra)


def cookie_unsendable(reason: str) -> None:
    """A session changed after the response had started and its cookie could not be sent any more."""
    _logger.warning(
        "The session changed after the response had started and the browser cannot learn of it: %s",
        reason,
        extra={"event": "session.cookie_unsendable", "reason": reason},
    )
