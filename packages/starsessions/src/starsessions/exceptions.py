"""What can go wrong, each with its own class."""
# ruff: noqa: N818  the first three names are the contract, the others follow them

from __future__ import annotations

__all__ = [
    "ImproperlyConfigured",
    "InvalidCookieSettings",
    "InvalidLifetime",
    "SessionConflict",
    "SessionError",
    "SessionGone",
    "SessionMiddlewareMissing",
    "SessionNotLoaded",
    "SessionNotSerializable",
    "SessionStoreTimeout",
    "SessionStoreUnavailable",
    "SessionTooLarge",
]


class SessionError(Exception):
    """The class of all errors of this package."""


class SessionNotLoaded(SessionError):
    """The session was used before it was loaded."""

    solution = (
        "Call `await load_session(connection)` before using the session, "
        "or add SessionAutoloadMiddleware after SessionMiddleware."
    )


class ImproperlyConfigured(SessionError):
    """A middleware or a store was given options that cannot work."""


class InvalidCookieSettings(ImproperlyConfigured, ValueError):
    """Browsers or HTTP would refuse a cookie with these settings."""


class InvalidLifetime(ImproperlyConfigured, ValueError, AssertionError):
    """The lifetime is negative, shorter than a second, or no number of seconds.

    It is an AssertionError as well for code that caught the assertion which used to be raised here.
    """


class SessionMiddlewareMissing(ImproperlyConfigured, KeyError):
    """No SessionMiddleware ran before the session was asked for.

    It is a KeyError as well for code that caught the missing `session_handler` of the scope.
    """

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would show the repr


class SessionGone(SessionError):
    """The session was removed, revoked or given another id by someone else and cannot be changed any more."""


class SessionConflict(SessionError):
    """Others changed the session again and again while it was being stored; nothing was stored."""


class SessionStoreUnavailable(SessionError, ConnectionError):
    """The store failed, or failed so often that it is not asked for the moment.

    `retry_after` is how many seconds to wait before another request is worth it.
    """

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SessionStoreTimeout(SessionStoreUnavailable, TimeoutError):
    """The store did not answer within `store_timeout` seconds."""


class SessionNotSerializable(SessionError, TypeError):
    """The session holds a value that the serializer cannot store; the message names its key."""


class SessionTooLarge(SessionError, ValueError):
    """The session does not fit into a cookie."""
