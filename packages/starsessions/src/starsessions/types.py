"""Types of values that users meet."""

from __future__ import annotations

import typing

__all__ = ["SessionMetadata"]


class SessionMetadata(typing.TypedDict):
    """What is known about a session besides its data.

    `lifetime` is in seconds (0: until the browser is closed), `created` and `last_access` are seconds since
    the epoch. `user` is the user that `starsessions.users.sign_in` was given; other sessions do not have it.
    """

    lifetime: int
    created: float
    last_access: float
    user: typing.NotRequired[str]
