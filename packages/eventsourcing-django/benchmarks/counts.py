"""How many statements and round trips an operation takes on PostgreSQL."""

import json
import os
import sys
from itertools import count as count_from
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

from eventsourcing.persistence import StoredEvent, Tracking
from round_trips import CountingProxy


def through(proxy, url):
    """Return a database's URL with the proxy in the server's place."""
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{proxy.port}"))


def count(url):
    """Yield the name of each operation, its statements and round trips, and how many it may take."""
    from recorder_worker import set_up_django

    parts = urlsplit(url)
    with CountingProxy(parts.hostname, parts.port) as proxy:
        os.environ.pop("PGSSLMODE", None)
        set_up_django(urlsplit(through(proxy, url)))
        from django.db import connection, transaction

        try:
            for name, prepare, most, atomic in operations():
                prepare()()  # a session has each statement planned when it runs it for the first time
                if atomic:
                    with transaction.atomic():
                        connection.ensure_connection()
                        connection.cursor().execute("SELECT 1")
                        yield (name, *measure(proxy, connection, prepare), most)
                else:
                    yield (name, *measure(proxy, connection, prepare), most)
        finally:
            connection.close()


def measure(proxy, connection, prepare):
    """Return the statements and the round trips of a call, each of its own: who counts statements changes the way."""
    from django.test.utils import CaptureQueriesContext

    call = prepare()
    before = proxy.round_trips
    call()
    trips = proxy.round_trips - before
    call = prepare()
    with CaptureQueriesContext(connection) as statements:
        call()
    return len(statements), trips


def operations():
    """Yield names, functions that prepare the call, the most that it may take, and whether in a transaction."""
    from eventsourcing_django.models import StoredEventRecord
    from eventsourcing_django.recorders import DjangoProcessRecorder

    recorder = DjangoProcessRecorder("counted", StoredEventRecord)
    for position in range(1, 10):  # a session that has just begun plans nothing ahead
        recorder.insert_tracking(Tracking("upstream", position))
    positions = count_from(10)
    for number in (1, 10, 100):
        yield f"save {number}", lambda n=number: saving(recorder, n), 1, False
    for number in (1, 10, 100):
        yield f"save {number}, in a transaction", lambda n=number: saving(recorder, n), 3, True
    yield "save none", lambda: saving(recorder, 0), 0, False
    yield "save 1 + tracking", lambda: saving(recorder, 1, Tracking("upstream", next(positions))), 1, False
    yield "save 10 + tracking", lambda: saving(recorder, 10, Tracking("upstream", next(positions))), 1, False
    yield "tracking", lambda: lambda: recorder.insert_tracking(Tracking("upstream", next(positions))), 1, False
    yield "read 1 aggregate", lambda: lambda: recorder.select_events(uuid4()), 1, False
    yield "notifications", lambda: lambda: recorder.select_notifications(None, 100), 1, False
    yield "newest position", lambda: recorder.max_notification_id, 1, False
    yield "tracked position", lambda: lambda: recorder.max_tracking_id("upstream"), 1, False


def saving(recorder, number, tracking=None):
    """Return a call that saves so many events, which are made now."""
    saved = events(number)
    return lambda: recorder.insert_events(saved, tracking=tracking)


def events(number):
    """Make the events of a new aggregate."""
    originator_id = uuid4()
    return [StoredEvent(originator_id, version, "topic", b"state" * 40) for version in range(1, number + 1)]


if __name__ == "__main__":
    print(json.dumps(list(count(sys.argv[1]))))
