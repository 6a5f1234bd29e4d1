"""All sessions of the database are killed again and again while events are written and followed."""

import os
import threading
import time

from databases import on_database
from django.db import connections
from eventsourcing.persistence import OperationalError
from eventsourcing.system import SingleThreadedRunner, System
from school.applications import Dog, TrainingSchool
from school.receipts import Receipts
from waiting import wait_until

from eventsourcing_django.election import election_in
from eventsourcing_django.follower_daemon import DaemonOptions, FollowerDaemon
from eventsourcing_django.synchronisation import Synchronizer

# A longer storm: EVENTSOURCING_TEST_STORM_SECONDS=60
SECONDS = float(os.environ.get("EVENTSOURCING_TEST_STORM_SECONDS", "5"))
BETWEEN_KILLS = 1.0 if SECONDS > 10 else 0.3
WRITERS = 3
ENV = {"PERSISTENCE_MODULE": "eventsourcing_django", "DJANGO_DB_ALIAS": "postgres"}


class Writer(threading.Thread):
    """Registers one dog after the other, and tries again what was an error."""

    def __init__(self, name, is_over):
        super().__init__(daemon=True)
        self._is_over = is_over
        self.name, self.dogs, self.errors, self.failure = name, [], 0, None

    def run(self):
        try:
            school = TrainingSchool(env=ENV)
            while not self._is_over.is_set():
                dog = f"{self.name} {len(self.dogs)}"
                self._until_it_works(
                    lambda dog=dog: school.register(dog), lambda dog=dog: Dog.create_id(dog) in school.repository
                )
                self.dogs.append(dog)
        except Exception as failure:  # noqa: BLE001  # the test looks at it
            self.failure = failure

    def _until_it_works(self, save, is_saved):
        """Save; after an error look first whether it was saved nevertheless, as a client would have to."""
        doubt = False
        for _ in range(50):
            try:
                if not doubt or not is_saved():
                    save()
            except OperationalError:
                doubt = True
                self.errors += 1
            else:
                return
        raise AssertionError("50 errors one after the other")


class Tail(threading.Thread):
    """Iterates over a subscription to the school."""

    def __init__(self):
        super().__init__(daemon=True)
        self.seen, self.failure = [], None
        self.subscription = TrainingSchool(env=ENV).recorder.subscribe()

    def run(self):
        try:
            for notification in self.subscription:
                self.seen.append(notification.id)
        except Exception as failure:  # noqa: BLE001  # the test looks at it
            self.failure = failure


class Daemon(threading.Thread):
    """Runs the followers."""

    def __init__(self):
        super().__init__(daemon=True)
        runner = SingleThreadedRunner(System([[TrainingSchool, Receipts]]), env=ENV)
        runner.start()
        elections = {"Receipts": election_in("postgres")}
        options = DaemonOptions(poll_interval=0.2, first_backoff=0.05, longest_backoff=0.5)
        self.failure, self.follower_daemon = None, FollowerDaemon(Synchronizer(runner), elections, options)

    def run(self):
        try:
            with self.follower_daemon:
                self.follower_daemon.run()
        except Exception as failure:  # noqa: BLE001  # the test looks at it
            self.failure = failure


def kill_all():
    """End every session but this one, and return how many there were."""
    with connections["postgres"].cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return cursor.fetchone()[0]


@on_database("postgres")
def test_nothing_is_lost_and_nothing_is_done_twice():
    """Every save is stored once, every event is given to the subscription and processed by the followers once."""
    is_over = threading.Event()
    writers = [Writer(f"writer {number}", is_over) for number in range(WRITERS)]
    tail, daemon = Tail(), Daemon()
    for thread in (*writers, tail, daemon):
        thread.start()
    killed, end = 0, time.monotonic() + SECONDS
    while time.monotonic() < end:
        is_over.wait(BETWEEN_KILLS)
        killed += kill_all()
    is_over.set()
    for writer in writers:
        writer.join(60)
    school, receipts = TrainingSchool(env=ENV), Receipts(env=ENV)
    receipts.recorder.wait("TrainingSchool", school.recorder.max_notification_id(), timeout=60 + 4 * SECONDS)
    stored = school.recorder.select_notifications(None, 1_000_000)
    wait_until(lambda: len(tail.seen) >= len(stored) or not tail.is_alive())
    for thread, stop in ((tail, tail.subscription.stop), (daemon, daemon.follower_daemon.stop)):
        stop()
        thread.join(60)
    dogs = [dog for writer in writers for dog in writer.dogs]
    errors = sum(writer.errors for writer in writers)
    print(f"{SECONDS:.0f} s, {killed} sessions killed, {len(dogs)} saves, {errors} tried again")  # noqa: T201  # -rP
    assert [each.failure for each in (*writers, tail, daemon)] == [None] * (WRITERS + 2)
    assert sorted(event.originator_id for event in stored) == sorted(map(Dog.create_id, dogs))
    assert tail.seen == [event.id for event in stored]
    assert len(receipts.recorder.select_notifications(None, 1_000_000)) == len(dogs)
    assert killed > WRITERS
