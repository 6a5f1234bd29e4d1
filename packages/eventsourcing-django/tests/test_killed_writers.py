"""A process that dies in the middle of a transaction leaves nothing behind."""

import os
import signal
import sys

import pytest
from databases import added_database, environment_of
from django.core.management import call_command
from school.applications import Dog, TrainingSchool
from waiting import PATIENCE

_SAVE_AND_WAIT = """
import signal, sys, django
django.setup()
from django.db import transaction
from school.applications import TrainingSchool
school = TrainingSchool(env={"PERSISTENCE_MODULE": "eventsourcing_django"})
with transaction.atomic():
    school.register("Fido")
    open(sys.argv[1], "w").close()
    signal.pause()
"""


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def url(request, new_database, django_db_blocker):
    """A migrated database of its own, which is `shared` here."""
    url = new_database(request.param)
    with django_db_blocker.unblock(), added_database("shared", url):
        call_command("migrate", database="shared", verbosity=0)
        yield url


def test_its_lock_is_free_and_nothing_is_stored(url, process_guard, tmp_path):
    """Killed with SIGKILL after a save and before the commit; the next save does not wait."""
    saved = tmp_path / "saved"
    os.mkfifo(saved)
    command = [sys.executable, "-c", _SAVE_AND_WAIT, str(saved)]
    process = process_guard.spawn(command, env=environment_of(url))
    with saved.open():  # opens when the other side does: after the save
        pass
    os.kill(process.pid, signal.SIGKILL)
    process.wait(PATIENCE)
    env = {
        "PERSISTENCE_MODULE": "eventsourcing_django",
        "DJANGO_DB_ALIAS": "shared",
        "DJANGO_LOCK_TIMEOUT": str(PATIENCE),
    }
    school = TrainingSchool(env=env)
    assert school.recorder.max_notification_id() is None
    school.register("Rex")
    assert Dog.create_id("Fido") not in school.repository
