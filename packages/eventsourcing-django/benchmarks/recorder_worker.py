"""Measures the recorders of one persistence module; `bench_eventsourcing_django.py` starts it and asks.

Started with the module (`eventsourcing_django`, `eventsourcing.postgres` or `eventsourcing.sqlite`), the URL of the
database and the name of the application. One JSON object a line: `{"case": "save", "size": 10, "calls": 20}` is
answered with the wall and the CPU time of an event in microseconds. It speaks only names that eventsourcing-django 0.6
has as well, so the same file measures both.
"""

import json
import sys
import threading
import time
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from eventsourcing.application import Application
from eventsourcing.persistence import StoredEvent, Tracking
from eventsourcing.system import ProcessApplication

STATE = b'{"trick":"roll over","timestamp":{"_type_":"datetime_iso","_data_":"2026-01-01T00:00:00+00:00"}}' * 2
TOPIC = "school.applications:Dog.TrickAdded"
SUBSCRIBED_WITHIN = 10  # seconds
READY_EVENTS = 500


def main():
    """Make the application, then answer."""
    module, url, name = sys.argv[1:]
    measured = Measured(make_application(module, url, name))
    for line in sys.stdin:
        order = json.loads(line)
        print(json.dumps(getattr(measured, order.pop("case"))(**order)), flush=True)


def make_application(module, url, name):
    """Make an application with nothing but a name; one with `Process` in it tracks positions."""
    env = {"PERSISTENCE_MODULE": module, "POSTGRES_LOCK_TIMEOUT": "30"}
    parts = urlsplit(url)
    if module == "eventsourcing_django":
        set_up_django(parts)
    elif module == "eventsourcing.sqlite":
        env["SQLITE_DBNAME"] = parts.path
    else:
        env |= {
            "POSTGRES_DBNAME": unquote(parts.path.lstrip("/")),
            "POSTGRES_HOST": parts.hostname,
            "POSTGRES_PORT": str(parts.port),
            "POSTGRES_USER": unquote(parts.username),
            "POSTGRES_PASSWORD": unquote(parts.password or ""),
        }

    class Writer(ProcessApplication if "Process" in name else Application):
        def policy(self, domain_event, processing_event):
            """Nothing follows from anything here."""

    Writer.name = name
    return Writer(env=env)


def set_up_django(parts):
    """Make a Django project of one database, migrated."""
    import django
    from django.conf import settings
    from django.core.management import call_command

    engine = "sqlite3" if parts.scheme == "sqlite" else "postgresql"
    database = {"ENGINE": f"django.db.backends.{engine}", "NAME": parts.path}
    if parts.scheme != "sqlite":
        database |= {
            "NAME": unquote(parts.path.lstrip("/")),
            "HOST": parts.hostname,
            "PORT": parts.port,
            "USER": unquote(parts.username),
            "PASSWORD": unquote(parts.password or ""),
        }
    settings.configure(
        DATABASES={"default": database},
        INSTALLED_APPS=["eventsourcing_django"],
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    )
    django.setup()
    call_command("migrate", verbosity=0)


def new_events(number):
    """Make the events of a new aggregate."""
    originator_id = uuid4()
    return [StoredEvent(originator_id, version, TOPIC, STATE) for version in range(1, number + 1)]


class Measured:
    """The cases that can be asked for."""

    def __init__(self, application):
        self._application = application  # it closes its recorder when it goes
        self._recorder = application.recorder
        self._position = 0

    def ready(self):
        """Open the connection, and save the events that `notifications` selects."""
        self._first, *_ = self._recorder.insert_events(new_events(READY_EVENTS))
        return {}

    def save(self, size, calls):
        """Insert `calls` times `size` events."""
        batches = [new_events(size) for _ in range(calls)]
        return _timed(self._recorder.insert_events, batches, size)

    def save_tracking(self, size, calls):
        """Insert events with the position that they result from."""
        batches = []
        for _ in range(calls):
            self._position += 1
            batches.append((new_events(size), Tracking("upstream", self._position)))
        return _timed(lambda batch: self._recorder.insert_events(batch[0], tracking=batch[1]), batches, size)

    def read(self, size, calls):
        """Select all events of an aggregate that has `size`."""
        events = new_events(size)
        self._recorder.insert_events(events)
        found = self._recorder.select_events(events[0].originator_id)
        assert len(found) == size
        return _timed(self._recorder.select_events, [events[0].originator_id] * calls, size)

    def notifications(self, size, calls):
        """Select the first `size` events of the application."""
        found = self._recorder.select_notifications(self._first, size)
        assert len(found) == size
        return _timed(lambda start: self._recorder.select_notifications(start, size), [self._first] * calls, size)

    def max_id(self, calls):
        """Ask for the newest position."""
        return _timed(lambda _: self._recorder.max_notification_id(), range(calls), 1)

    def push(self, calls):
        """Insert events one by one, each after the one before it came out of a subscription."""
        arrivals = {}
        arrived = threading.Condition()
        subscription = self._recorder.subscribe(gt=self._recorder.max_notification_id())

        def receive():
            for notification in subscription:
                with arrived:
                    arrivals[notification.id] = time.perf_counter()
                    arrived.notify()

        latencies = []
        with subscription:
            thread = threading.Thread(target=receive, daemon=True)
            thread.start()
            for call in range(calls + 5):  # the first ones find the subscription still starting
                begun = time.perf_counter()
                (position,) = self._recorder.insert_events(new_events(1))
                with arrived:
                    assert arrived.wait_for(lambda wanted=position: wanted in arrivals, SUBSCRIBED_WITHIN)
                if call >= 5:
                    latencies.append((arrivals[position] - begun) * 1e6)
            subscription.stop()
            thread.join()
        latencies.sort()
        return {"p50": latencies[len(latencies) // 2], "p95": latencies[int(len(latencies) * 0.95)]}


def _timed(call, arguments, size):
    wall, cpu = time.perf_counter(), time.process_time()
    for argument in arguments:
        call(argument)
    events = len(arguments) * size
    return {"wall": (time.perf_counter() - wall) / events * 1e6, "cpu": (time.process_time() - cpu) / events * 1e6}


if __name__ == "__main__":
    main()
