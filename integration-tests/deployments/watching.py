"""Sees every session of the server that waits for a table's lock, and for how long."""

import threading
import time
from collections import defaultdict
from dataclasses import dataclass

import psycopg

__all__ = ("LockWatch", "Wait")

_WAITING = """
    SELECT waiting.datname, waiting.application_name,
        extract(epoch FROM clock_timestamp() - min(pg_locks.waitstart))::float,
        waiting.query, coalesce(max(migrating.query), '')
    FROM pg_locks JOIN pg_stat_activity waiting USING (pid)
        LEFT JOIN pg_stat_activity migrating
            ON migrating.datname = waiting.datname AND migrating.application_name = 'migrate'
    WHERE pg_locks.waitstart IS NOT NULL AND pg_locks.locktype = 'relation'
    GROUP BY 1, 2, waiting.pid, 4
"""
_INTERVAL = 0.05  # seconds


@dataclass(frozen=True)
class Wait:
    """The longest wait of a release's requests for a table's lock, what waited, and what `migrate` was doing."""

    seconds: float = 0.0
    waiting: str = ""
    migrating: str = ""


class LockWatch:
    """Samples `pg_locks` in a thread of its own while it is a context manager."""

    def __init__(self, url):
        self.url = url
        self.lag = 0.0  # seconds: how late the machine made the latest sample that came
        self._longest = defaultdict(Wait)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def take(self, database):
        """Return the longest wait in a database since the last call."""
        return self._longest.pop(database, Wait())

    def _watch(self):
        with psycopg.connect(self.url, autocommit=True) as connection:
            before = time.monotonic()
            while not self._ended.wait(_INTERVAL):
                for database, application, seconds, waiting, migrating in connection.execute(_WAITING):
                    if application in {"old", "new"} and seconds is not None:
                        self._note(database, Wait(seconds, waiting, migrating))
                now = time.monotonic()
                self.lag = max(self.lag, now - before - _INTERVAL)
                before = now

    def _note(self, database, wait):
        if wait.seconds > self._longest[database].seconds:
            self._longest[database] = wait
