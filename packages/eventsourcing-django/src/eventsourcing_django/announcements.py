"""What a process is told of the new events of several applications, in several databases."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import django.db
from django.db import connections

from eventsourcing_django.channels import Channel
from eventsourcing_django.library import Application
from eventsourcing_django.listening import Listener, WakeUp
from eventsourcing_django.recorders import DjangoApplicationRecorder

__all__ = ["Announcements"]

_logger = logging.getLogger(__name__)
# Until writers know of a listener, which open transactions can prevent, the tables are looked at so often.
_UNTIL_ANNOUNCED = 0.25  # seconds


class Announcements:
    """Waits for announcements of PostgreSQL; events in other databases are for the caller to look for.

    Args:
        applications: whose events.
        wake_up: ends a wait as well.
    """

    def __init__(self, applications: Iterable[Application[Any]], wake_up: WakeUp) -> None:
        self._wake_up = wake_up
        self._channels: defaultdict[str, list[Channel]] = defaultdict(list)
        self._listeners: dict[str, Listener] = {}
        self._unheard: set[str] = set()
        for application in applications:
            recorder = application.recorder
            if isinstance(recorder, DjangoApplicationRecorder) and connections[recorder.using].vendor == "postgresql":
                table = recorder.model._meta.db_table  # Django's documented name
                self._channels[recorder.using].append(Channel(table, recorder.application_name))

    def prepare(self) -> None:
        """Listen, before the tables are looked at for the last time before a wait."""
        for alias, channels in self._channels.items():
            try:
                if alias not in self._listeners:
                    self._listeners[alias] = Listener(alias, channels)
                self._listeners[alias].announce()
                self._unheard.discard(alias)
            except django.db.Error as error:
                if alias not in self._unheard:
                    _logger.warning("Cannot listen on database %r: %s", alias, type(error).__name__)
                self._unheard.add(alias)

    def wait(self, seconds: float) -> None:
        """Wait for an announcement, the wake-up, or the end of the time; less where nothing can be heard yet."""
        if not all(listener.is_announced for listener in self._listeners.values()):
            seconds = min(seconds, _UNTIL_ANNOUNCED)
        descriptors = {listener.fileno(): alias for alias, listener in self._listeners.items()}
        lost = descriptors.pop(-1, None)
        ready = self._wake_up.wait(list(descriptors), seconds)
        for alias in [descriptors[descriptor] for descriptor in ready] + ([lost] if lost else []):
            if not self._listeners[alias].receive():
                self._listeners.pop(alias).close()

    def close(self) -> None:
        """End the sessions."""
        while self._listeners:
            self._listeners.popitem()[1].close()
