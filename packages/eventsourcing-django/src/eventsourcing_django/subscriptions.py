"""Subscriptions: iterating over an application's events as they are committed."""

from collections import deque
from collections.abc import Sequence
from threading import Event
from typing import TYPE_CHECKING

from django.db import connections
from eventsourcing.persistence import Notification, Subscription

if TYPE_CHECKING:
    from eventsourcing_django.recorders import DjangoApplicationRecorder

    _Base = Subscription["DjangoApplicationRecorder"]
else:
    _Base = Subscription  # subscripting it at run time needs a newer eventsourcing than this package does

__all__ = ["PollingSubscription"]


class PollingSubscription(_Base):
    """Asks the database for new events, in the thread that iterates, on every kind of database.

    It asks again `shortest_wait` seconds after events came, and less and less often, up to every `longest_wait`
    seconds, while none come. Events are never missed: the recorders see to it that positions of an application
    become visible in their order.

    Args:
        recorder: whose events.
        gt: from the event after this position on.
        topics: of these topics only.
    """

    page_size = 500
    shortest_wait = 0.02
    longest_wait = 0.5

    def __init__(
        self, recorder: "DjangoApplicationRecorder", gt: int | None = None, topics: Sequence[str] = ()
    ) -> None:
        super().__init__(recorder=recorder, gt=gt, topics=topics)
        self._page: deque[Notification] = deque()
        self._stopped = Event()
        self._opened_connection = False

    def stop(self) -> None:
        """End the iteration, from any thread; a waiting iterator returns at once."""
        super().stop()
        self._stopped.set()

    def __next__(self) -> Notification:
        wait = self.shortest_wait
        while not self._stopped.is_set():
            if not self._page:
                self._read_page()
            if self._page:
                return self._page.popleft()
            self._stopped.wait(wait)
            wait = min(2 * wait, self.longest_wait)
        self._close_own_connection()
        raise StopIteration

    def _read_page(self) -> None:
        connection = connections[self._recorder.using]
        self._opened_connection = self._opened_connection or connection.connection is None
        self._page.extend(
            self._recorder.select_notifications(
                self._last_notification_id, self.page_size, topics=self._topics, inclusive_of_start=False
            )
        )
        if self._page:
            self._last_notification_id = self._page[-1].id

    def _close_own_connection(self) -> None:
        # The thread that iterates is often one that does nothing else, and nobody would close its connection.
        connection = connections[self._recorder.using]
        if self._opened_connection and not connection.in_atomic_block:
            connection.close()
            self._opened_connection = False
