"""Transactions that read before they write, beside other writers of a SQLite file."""

import threading

import pytest
from databases import on_database
from django.db import connections
from eventsourcing.application import AggregateNotFoundError
from eventsourcing.persistence import Tracking
from eventsourcing.system import SingleThreadedRunner
from school.applications import Celebrations, Counters, TrainingSchool, make_system
from waiting import PATIENCE

from eventsourcing_django.recorders import DjangoTrackingRecorder
from eventsourcing_django.synchronisation import Synchronizer
from eventsourcing_django.write_transactions import write_transaction

pytestmark = [pytest.mark.parametrize("alias", ["file"]), on_database("file")]
ATTEMPT = 0.5  # seconds in which a writer that is not held up has committed, many times over


@pytest.fixture
def environment(alias):
    return {"PERSISTENCE_MODULE": "eventsourcing_django", "DJANGO_DB_ALIAS": alias}


class OtherWriter:
    """Another connection, which saves an event as soon as it may."""

    def __init__(self, environment):
        self._school = TrainingSchool(env=environment)
        self._threads = []

    def saves(self, name):
        """Begin to save, and wait until that is done or held up by the caller's transaction."""
        self._threads.append(threading.Thread(target=self._school.register, args=[name]))
        self._threads[-1].start()
        self._threads[-1].join(ATTEMPT)

    def join(self):
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()


@pytest.fixture
def other(environment):
    other = OtherWriter(environment)
    yield other
    other.join()


def test_a_policy_may_read_before_the_follower_writes(environment, other, monkeypatch):
    """Somebody else's save in between waits for the follower's transaction, instead of making it fail."""
    runner = SingleThreadedRunner(make_system(), env=environment)
    runner.start()
    school = TrainingSchool(env=environment)
    school.register("Fido")
    school.add_trick("Fido", "sit")

    def process(self, event):
        with pytest.raises(AggregateNotFoundError):
            self.repository.get(event.originator_id)
        other.saves("Rex")

    monkeypatch.setattr(Counters, "process", process)
    reports = list(Synchronizer(runner).sync([Counters.name, Celebrations.name]))
    assert [report.error for report in reports] == [None, None]
    other.join()
    assert school.recorder.max_notification_id() > reports[0].positions[TrainingSchool.name]


def test_a_view_may_read_before_it_writes(alias, other):
    """A materialised view looks up what it changes."""
    view = DjangoTrackingRecorder("view", alias)
    with view.atomic():
        assert view.max_tracking_id("TrainingSchool") is None
        other.saves("Rex")
        view.insert_tracking(Tracking("TrainingSchool", 1))
    assert view.max_tracking_id("TrainingSchool") == 1


def test_the_projects_own_transactions_begin_as_its_settings_say(alias):
    """The mode is put back as soon as the recorder's transaction has begun."""
    connection = connections[alias]
    for mode in (None, "DEFERRED", "EXCLUSIVE"):
        connection.ensure_connection()
        connection.transaction_mode = mode
        with write_transaction(alias):
            assert connection.transaction_mode == mode
        connection.close()
