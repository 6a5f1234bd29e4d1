"""Log events: what operators need to know and users must not see.

Session ids never appear in a log, only fingerprints of them.
"""

from __future__ import annotations

import logging

from starsessions.ids import fingerprint

__all__ = [
    "change_lost",
    "cookie_rejected",
    "cookie_unsendable",
    "entry_discarded",
    "session_discarded",
    "session_expired",
    "session_gone",
    "store_failed",
]

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


def cookie_unsendable() -> None:
    """A session changed after the response had started and its cookie could not be sent any more."""
    reason = "its id or its cookie would have to change. Change the session before the response starts."
    _logger.warning(
        "The session changed after the response had started and the browser cannot learn of it: %s",
        reason,
        extra={"event": "session.cookie_unsendable", "reason": reason},
    )


def entry_discarded(reason: str) -> None:
    """An entry of a user's list could not be read; the session that it named, if any, is not listed."""
    _logger.warning(
        "An entry in the list of a user's sessions is not readable and was passed over: %s",
        reason,
        extra={"event": "session.entry_discarded", "reason": reason},
    )


def session_gone(session_id: str, store: object) -> None:
    """A request changed a session that had been ended meanwhile; the session was not brought back."""
    _logger.warning(
        "Session %s of %s was ended or renamed while a request changed it; the change was dropped.",
        fingerprint(session_id),
        type(store).__name__,
        extra={"event": "session.gone", "session": fingerprint(session_id)},
    )


def change_lost(reason: str) -> None:
    """A session was changed where nobody stores it any more."""
    _logger.warning(
        "A change of the session was lost: %s", reason, extra={"event": "session.change_lost", "reason": reason}
    )


def store_failed(store: object, error: BaseException, consequence: str) -> None:
    """The store failed and the request went on without it."""
    # The text of the error could quote what it was about; its cause is for the application's own error reporting.
    reason = type(error.__cause__ or error).__name__
    _logger.error(
        "%s failed with %s: %s",
        type(store).__name__,
        reason,
        consequence,
        extra={"event": "session.store_failed", "reason": reason},
    )
