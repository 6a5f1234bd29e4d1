"""Listening for new events in PostgreSQL, with psycopg 3 or psycopg2."""

import select
import socket
from collections.abc import Sequence
from typing import Any

import django.db

from eventsourcing_django.channels import Channel
from eventsourcing_django.own_connections import DedicatedSession

__all__ = ["Listener", "WakeUp"]

# How long to queue for a writer's transaction to end before the table is looked at again without being told.
_QUEUE_FOR = "250ms"


class WakeUp:
    """Something to wait for, together with sockets, that any thread and any signal handler can set."""

    def __init__(self) -> None:
        self._receiving, self._sending = socket.socketpair()
        self._receiving.setblocking(False)
        self._sending.setblocking(False)

    def __del__(self) -> None:
        self._receiving.close()
        self._sending.close()

    def set(self) -> None:
        """End the wait that goes on, or the next one."""
        try:
            self._sending.send(b"!")
        except BlockingIOError:
            return  # it has been set so often that the buffer is full: the wait ends anyway

    def wait(self, descriptors: Sequence[int], seconds: float) -> list[int]:
        """Wait until it is set, one of the descriptors can be read, or the time is over; return the readable ones."""
        poll = select.poll()
        for descriptor in (self._receiving.fileno(), *descriptors):
            poll.register(descriptor, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(max(0, seconds) * 1000)}
        if self._receiving.fileno() in ready:
            self._receiving.recv(4096)
        return [descriptor for descriptor in descriptors if descriptor in ready]


class Listener:
    """Listens on channels over a session of its own. It belongs to the thread that makes it.

    Args:
        alias: a PostgreSQL database.
        channels: what to listen on.

    Attributes:
        is_announced: writers know of the listener; before that, nothing is to be heard.

    Raises:
        django.db.Error: the database cannot be reached, or does not let anybody listen.
    """

    def __init__(self, alias: str, channels: Sequence[Channel]) -> None:
        self._session = DedicatedSession(alias)
        self._unannounced = list(channels)
        try:
            self._listen()
        except django.db.Error:
            self.close()  # it could connect, but not listen: to a standby server, for example
            raise

    def _listen(self) -> None:
        self._session.fetch_value(f"SET lock_timeout = '{_QUEUE_FOR}'")
        for channel in self._unannounced:
            self._session.fetch_value(f'LISTEN "{channel.name}"')

    @property
    def is_announced(self) -> bool:
        """Whether the writers of all channels know that somebody listens."""
        return not self._unannounced

    def announce(self) -> None:
        """Tell writers that somebody listens; what they commit from now on is heard.

        It waits a moment for the transactions of those who write now, and can be tried again.
        """
        try:
            while self._unannounced:
                self._session.fetch_value("SELECT pg_advisory_lock_shared(%s)", [self._unannounced[-1].key])
                self._unannounced.pop()
        except django.db.Error:
            # A writer's transaction takes longer, or the session is lost, which shows when it is waited for.
            return

    def fileno(self) -> int:
        """The session's socket; there is something to read when something was committed."""
        connection = self._session.driver_connection
        return -1 if connection.closed else int(connection.fileno())

    def wait(self, wake_up: WakeUp, seconds: float) -> bool:
        """Wait for an announcement; False if the session is lost."""
        descriptor = self.fileno()
        if descriptor < 0:
            return False
        return not wake_up.wait([descriptor], seconds) or self.receive()

    def receive(self) -> bool:
        """Take the announcements that have arrived; False if the session is lost."""
        connection: Any = self._session.driver_connection
        try:
            if hasattr(connection, "pgconn"):
                _receive_with_psycopg3(connection.pgconn)
            else:
                connection.poll()
                connection.notifies.clear()
        except django.db.connections[self._session.alias].Database.Error:  # type: ignore[attr-defined]
            return False
        return True

    def close(self) -> None:
        """End the session."""
        self._session.close()


def _receive_with_psycopg3(pgconn: Any) -> None:
    pgconn.consume_input()
    while pgconn.notifies():
        pass
