"""A follower that keeps up with an application."""

import threading

from school.applications import TrainingSchool
from waiting import PATIENCE


class Tail(threading.Thread):
    """Iterates over a subscription to the training school, and keeps the positions that it is given.

    Args:
        env: of the school.
    """

    def __init__(self, env):
        super().__init__(daemon=True)
        self.seen, self.failure = [], None
        self._subscription = TrainingSchool(env=env).recorder.subscribe()

    def run(self):
        try:
            for notification in self._subscription:
                self.seen.append(notification.id)
        except Exception as failure:  # noqa: BLE001  # the test looks at it
            self.failure = failure

    def stop(self):
        """End, and close the connection."""
        self._subscription.stop()
        self.join(PATIENCE)
