"""How the web process tells the follower's process that there are new events: PostgreSQL's NOTIFY.

A signal that is lost costs nothing but time: the follower also looks by itself every few seconds.
"""

from collections.abc import Iterator
from typing import Final

import psycopg
from django.db import connection

from portal.settings import catalogue_settings

CHANNEL: Final = "curation_events"


def wake_followers() -> None:
    """Tell listening followers to look for new events."""
    with connection.cursor() as cursor:
        cursor.execute(f"NOTIFY {CHANNEL}")


def wake_ups(every: float) -> Iterator[None]:
    """Yield at once, then whenever there are new events, and at least every so many seconds.

    Raises:
        psycopg.OperationalError: the connection to the database was lost.
    """
    address = str(catalogue_settings().database_url.reveal())
    with psycopg.connect(address, autocommit=True) as listening:
        listening.execute(f"LISTEN {CHANNEL}")
        while True:
            yield
            for _ in listening.notifies(timeout=every, stop_after=1):
                pass
