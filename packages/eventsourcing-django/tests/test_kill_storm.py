"""All sessions of the database are killed again and again while events are written and followed."""

import os
import threading
import time

from databases import on_database
from django.db import connections
from eventsourcing.persistence import OperationalError
from eventsourcing.system import SingleThreadedRunner
from school.applications import Celebrations, Counters, Dog, TrainingSchool, make_system

from eventsourcing_django.election import election_in
from eventsourcing_django.follower_daemon import DaemonOptions, FollowerDaemon
from eventsourcing_django.synchronisation import Synchronizer

# A longer storm: EVENTSOURCING_TEST_STORM_SECONDS=60
SECONDS = float(os.environ.get("EVENTSOURCING_TEST_STORM_SECONDS", "5"))
BETWEEN_KILLS = 1.0 if SECONDS > 10 else 0.3
WRITERS = 3
ENV = {"PERSISTENCE_MODULE": "eventsourcing_django", "DJANGO_DB_ALIAS": "postgres"}


class Writer(threading.Thread):
    """Adds one trick after the other to a dog of its own, and tries again what was an error."""

    def __init__(self, name, is_over):
        super().__init__()
        self.dog, self._is_over = name, is_over
        self.tricks, self.errors, self.failure = [], 0, None

    def run(self):
        try:
            school = TrainingSchool(env=ENV)
            self._until_it_works(
                lambda: school.register(self.dog), lambda: Dog.create_id(self.dog) in school.repository
            )
            while not self._is_over.is_set():
                trick = f"trick {len(self.tricks)}"
                self._until_it_works(
                    lambda trick=trick: school.add_trick(self.dog, trick),
                    lambda trick=trick: trick in school.get_tricks(self.dog),
                )
                self.tricks.append(trick)
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
        super().__init__()
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
        super().__init__()
        runner = SingleThreadedRunner(make_system(), env=ENV)
        runner.start()
        elections = dict.fromkeys(["Counters", "Celebrations"], election_in("postgres"))
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
    writers = [Writer(f"dog {number}", is_over) for number in range(WRITERS)]
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
    school, counters, celebrations = (each(env=ENV) for each in (TrainingSchool, Counters, Celebrations))
    counters.recorder.wait("TrainingSchool", school.recorder.max_notification_id(), timeout=120)
    celebrations.recorder.wait("Counters", counters.recorder.max_notification_id(), timeout=120)
    stored = [notification.id for notification in school.recorder.select_notifications(None, 1_000_000)]
    deadline = time.monotonic() + 60
    while len(tail.seen) < len(stored) and tail.is_alive() and time.monotonic() < deadline:
        time.sleep(0.05)
    for thread, stop in ((tail, tail.subscription.stop), (daemon, daemon.follower_daemon.stop)):
        stop()
        thread.join(60)
    tricks = sum(len(writer.tricks) for writer in writers)
    errors = sum(writer.errors for writer in writers)
    print(f"{SECONDS:.0f} s, {killed} sessions killed, {tricks} tricks, {errors} errors tried again")  # noqa: T201  # shown with -rP
    assert [each.failure for each in (*writers, tail, daemon)] == [None] * (WRITERS + 2)
    assert [school.get_tricks(writer.dog) for writer in writers] == [writer.tricks for writer in writers]
    assert tail.seen == stored
    assert (counters.count, celebrations.count) == (tricks, tricks)
    assert len(counters.recorder.select_notifications(None, 1_000_000)) == tricks + 1
    assert killed > WRITERS
