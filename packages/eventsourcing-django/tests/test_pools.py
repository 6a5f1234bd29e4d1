"""Django's connection pools, with more threads than connections."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from databases import added_database
from django.core.management import call_command
from django.db import connections, transaction
from eventsourcing.persistence import Tracking
from school.applications import TrainingSchool
from waiting import PATIENCE

from eventsourcing_django.recorders import DjangoTrackingRecorder

THREADS, CONNECTIONS = 6, 4


@pytest.fixture
def pooled(postgres_database, django_db_setup, django_db_blocker):
    """A migrated PostgreSQL database behind a pool of four connections."""
    with django_db_blocker.unblock(), added_database("pooled", postgres_database):
        options = {"pool": {"min_size": 1, "max_size": CONNECTIONS, "timeout": PATIENCE}}
        connections.settings["pooled"]["OPTIONS"] = options
        connections["pooled"].settings_dict["OPTIONS"] = options
        call_command("migrate", "eventsourcing_django", database="pooled", verbosity=0)
        connections["pooled"].close()
        yield "pooled"
        connections["pooled"].close_pool()


@pytest.fixture
def school(pooled):
    school = TrainingSchool(env={"PERSISTENCE_MODULE": "eventsourcing_django", "DJANGO_DB_ALIAS": pooled})
    school.register("Fido")
    return school


def test_threads_that_live_long_keep_no_connection(school, pooled):
    """All of them save, read, follow and go on living, beside views in transactions."""
    alive = threading.Barrier(THREADS)

    def work(number):
        view = DjangoTrackingRecorder(f"view {number}", pooled)
        for step in range(1, 6):
            school.register(f"dog {number} {step}")
            view.insert_tracking(Tracking("upstream", step))
            with view.atomic():
                view.insert_tracking(Tracking("downstream", step))
            assert view.max_tracking_id("upstream") == step
            alive.wait(2 * PATIENCE)
        with school.recorder.subscribe() as subscription:
            seen = [next(subscription).id for _ in range(THREADS * 5 + 1)]
            alive.wait(2 * PATIENCE)
        return len(set(seen))

    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(work, range(THREADS))) == [THREADS * 5 + 1] * THREADS


def test_a_transaction_keeps_its_connection(school, pooled):
    """Calls inside it use the same session, and the caller's connection stays open until the caller closes it."""
    with transaction.atomic(using=pooled):
        session = connections[pooled].connection
        school.register("Rex")
        assert connections[pooled].connection is session
    school.recorder.max_notification_id()
    assert connections[pooled].connection is session
    connections[pooled].close()
    school.recorder.max_notification_id()
    assert connections[pooled].connection is None
