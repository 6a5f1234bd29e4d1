"""What can go wrong while a service is looked for or started."""

from __future__ import annotations

__all__ = ["ServiceEnded", "StartFailed", "Unavailable"]


class Unavailable(RuntimeError):  # noqa: N818 - it is a state of this machine, not a mistake
    """A service cannot be had here. The message is one line: what was tried, and how to get it."""


class StartFailed(RuntimeError):  # noqa: N818
    """A service was found but did not start, or an address that was given does not answer.

    The message names the service, what was run, and ends with the last lines of its log.
    """


class ServiceEnded(RuntimeError):  # noqa: N818
    """A service that was started has ended by itself. The message ends with the last lines of its log."""
