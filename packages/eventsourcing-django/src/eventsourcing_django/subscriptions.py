"""Subscriptions: iterating over an application's events as they are committed."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Sequence
from threading import Event, get_ident
from typing import TYPE_CHECKING

import django.db
from django.db import connections

from eventsourcing_django.channels import Channel
from eventsourcing_django.library import (
    ApplicationRecorder,
    InterfaceError,
    Notification,
    OperationalError,
    Subscription,
)
from eventsourcing_django.listening import Listener, WakeUp
from eventsourcing_django.own_connections import is_free

if TYPE_CHECKING:
    from eventsourcing_django.recorders import DjangoApplicationRecorder

    _Base = Subscription["DjangoApplicationRecorder"]
else:
    _Base = Subscription  # subscripting it at run time needs a newer eventsourcing than this package does

__all__ = ["ListeningSubscription", "PollingSubscription", "subscription_to"]

_logger = logging.getLogger(__name__)


def subscription_to(
    recorder: DjangoApplicationRecorder, gt: int | None, topics: Sequence[str]
) -> Subscription[ApplicationRecorder]:
    """Make the subscription that fits the recorder's database."""
    listens = connections[recorder.using].vendor == "postgresql"
    return (ListeningSubscription if listens else PollingSubscription)(recorder, gt, topics)


class PollingSubscription(_Base):
    """Asks the database for new events, in the thread that iterates, on every kind of database.

    It asks again `shortest_wait` seconds after events came, and less and less often, up to every `longest_wait`
    seconds, while none come. Events are never missed: the recorders see to it that positions of an application
    become visible in their order. A database that is away is waited for, up to `patience` seconds.

    Args:
        recorder: whose events.
        gt: from the event after this position on.
        topics: of these topics only.

    Raises:
        eventsourcing.persistence.OperationalError: by the iteration, if the database stays away.
    """

    page_size = 500
    shortest_wait = 0.02
    longest_wait = 0.5
    patience = 60.0

    def __init__(self, recorder: DjangoApplicationRecorder, gt: int | None = None, topics: Sequence[str] = ()) -> None:
        super().__init__(recorder=recorder, gt=gt, topics=topics)
        self._page: deque[Notification] = deque()
        self._stopped = Event()
        self._opened_connection = False
        self._away_since: float | None = None
        self._reader: int | None = None
        self._is_reading = False

    def stop(self) -> None:
        """End the iteration, from any thread; a waiting iterator returns at once."""
        super().stop()
        self._stopped.set()
        # Connections belong to the thread that iterates. Another thread, or a signal that has come while it waits,
        # leaves them to the iterator, which is about to return.
        if self._reader == get_ident() and not self._is_reading:
            self._close()

    def __next__(self) -> Notification:
        if self._page and not self._stopped.is_set():
            return self._page.popleft()
        self._reader, self._is_reading = get_ident(), True
        try:
            return self._awaited()
        finally:
            self._is_reading = False

    def _awaited(self) -> Notification:
        wait = self.shortest_wait
        while not self._stopped.is_set():
            if not self._page:
                self._prepare_to_wait()
                self._read_page()
            if self._page:
                return self._page.popleft()
            self._wait(wait)
            wait = min(2 * wait, self.longest_wait)
        self._close()
        raise StopIteration

    def _prepare_to_wait(self) -> None:
        """Do what has to be done before a page is read that may be the last for some time."""

    def _wait(self, seconds: float) -> None:
        self._stopped.wait(seconds)

    def _read_page(self) -> None:
        connection = connections[self._recorder.using]
        self._opened_connection = self._opened_connection or connection.connection is None
        try:
            page = self._recorder.select_notifications(
                self._last_notification_id, self.page_size, topics=self._topics, inclusive_of_start=False
            )
        except (OperationalError, InterfaceError) as error:
            self._bear(error)
            return
        self._away_since = None
        self._page.extend(page)
        if page:
            self._last_notification_id = page[-1].id

    def _bear(self, error: Exception) -> None:
        connection = connections[self._recorder.using]
        if not is_free(connection) or (connection.connection is not None and connection.is_usable()):
            raise error  # the database is there: it is something else
        connection.close()
        now = time.monotonic()
        if self._away_since is None:
            self._away_since = now
            _logger.warning("Database %r is away: %s", connection.alias, type(error).__name__)
        if now - self._away_since > self.patience:
            raise error

    def _close(self) -> None:
        # The thread that iterates is often one that does nothing else, and nobody would close its connection.
        connection = connections[self._recorder.using]
        if self._opened_connection and not connection.in_atomic_block:
            connection.close()
            self._opened_connection = False


class ListeningSubscription(PollingSubscription):
    """Is told of new events by PostgreSQL, over a session of its own, and asks every `longest_wait` seconds as well.

    The latter finds what nobody has announced: events of processes that still run eventsourcing-django, and those
    committed while the session was lost.
    """

    longest_wait = 1.0

    def __init__(self, recorder: DjangoApplicationRecorder, gt: int | None = None, topics: Sequence[str] = ()) -> None:
        super().__init__(recorder, gt, topics)
        self._wake_up = WakeUp()
        self._listener: Listener | None = None
        self._is_deaf = False

    def stop(self) -> None:
        """End the iteration, from any thread; a waiting iterator returns at once."""
        super().stop()
        self._wake_up.set()

    def _prepare_to_wait(self) -> None:
        if self._listener is None and self._away_since is None:
            table = self._recorder.model._meta.db_table  # Django's documented name
            try:
                channels = [Channel(table, self._recorder.application_name)]
                self._listener = Listener(self._recorder.using, channels)
                self._is_deaf = False
            except django.db.Error as error:
                if not self._is_deaf:
                    _logger.warning("Cannot listen on database %r: %s", self._recorder.using, type(error).__name__)
                self._is_deaf = True
        if self._listener is not None:
            self._listener.announce()

    def _wait(self, seconds: float) -> None:
        if self._listener is None or not self._listener.is_announced:
            self._wake_up.wait([], seconds)
        elif not self._listener.wait(self._wake_up, self.longest_wait):
            self._drop_listener()

    def _drop_listener(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def _close(self) -> None:
        self._drop_listener()
        super()._close()
