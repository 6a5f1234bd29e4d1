"""Whether the folder of data may hold sessions that a version of the portal stored before it encrypted them."""

import time
from pathlib import Path

from portal.settings import SESSION_SECONDS


def may_hold_plain_sessions(state: Path) -> bool:
    """True from the first start with the data of such a version on, for as long as a session lasts unused.

    Ask before this start makes keys: that version had keys for signatures and none for sessions. A file keeps the
    time of the first start, so that a start which fails in between takes no session away.
    """
    since = state / "plain_sessions"
    keys = state / "secrets"
    if (keys / "signing_keys").exists() and not (keys / "session_keys").exists():
        since.touch()
    try:
        return time.time() - since.stat().st_mtime < SESSION_SECONDS
    except FileNotFoundError:
        return False
