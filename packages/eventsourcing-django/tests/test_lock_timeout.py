"""`DJANGO_LOCK_TIMEOUT`: how long a save waits for another writer's open transaction."""

import threading

import pytest
from databases import ALIASES, on_database
from django.db import connections, transaction
from eventsourcing.persistence import OperationalError
from school.applications import TrainingSchool
from waiting import PATIENCE

each_database = pytest.mark.parametrize(
    "alias", [pytest.param(each, marks=on_database(each)) for each in ALIASES if each != "default"]
)


@pytest.fixture
def env(alias):
    return {"PERSISTENCE_MODULE": "eventsourcing_django", "DJANGO_DB_ALIAS": alias}


def in_a_thread(function, alias, *statements):
    """Run a function beside this thread, after SQL, and return what it returns, or the error that it raises."""
    results = []

    def run():
        try:
            with connections[alias].cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
            results.append(function())
        except Exception as error:  # noqa: BLE001  # the test looks at it
            results.append(error)
        finally:
            connections[alias].close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(PATIENCE)
    return results[0]


@each_database
def test_a_save_that_waits_too_long_is_an_operational_error(env, alias):
    """While a frozen process keeps its transaction open; afterwards saves go on."""
    school = TrainingSchool(env=env | {"DJANGO_LOCK_TIMEOUT": "0.5"})
    school.register("Fido")
    # The server's own patience, for which nobody waits here.
    for_an_hour = {
        "postgresql": "SET lock_timeout = '1h'",
        "sqlite": "PRAGMA busy_timeout = 3600000",
        "mysql": "SET SESSION innodb_lock_wait_timeout = 3600",
    }[connections[alias].vendor]
    with transaction.atomic(using=alias):
        school.register("Rex")
        error = in_a_thread(lambda: school.register("Lassie"), alias, for_an_hour)
    assert isinstance(error, OperationalError)
    assert len(school.recorder.select_notifications(None, 10)) == 2
    school.register("Lassie")


@pytest.mark.parametrize("alias", [pytest.param(each, marks=on_database(each)) for each in ("postgres", "mariadb")])
def test_other_applications_do_not_wait(env, alias):
    """Each application has a lock of its own."""
    # Names of their own: MariaDB locks the neighbourhood of a row that was there before the tables were emptied.
    kennel, shelter = Kennel(env=env), Shelter(env=env | {"DJANGO_LOCK_TIMEOUT": "0.5"})
    with transaction.atomic(using=alias):
        kennel.register("Hasso")
        assert in_a_thread(lambda: shelter.register("Bello"), alias) is None


class Kennel(TrainingSchool):
    """An application."""


class Shelter(TrainingSchool):
    """Another one."""


@each_database
def test_the_projects_own_timeout_is_left_as_it_is(env, alias):
    """What else the transaction does waits as long as the project says."""
    shown = {
        "postgresql": "SHOW lock_timeout",
        "sqlite": "PRAGMA busy_timeout",
        "mysql": "SELECT @@SESSION.innodb_lock_wait_timeout",
    }[connections[alias].vendor]

    def timeout():
        with connections[alias].cursor() as cursor:
            cursor.execute(shown)
            return cursor.fetchone()

    school = TrainingSchool(env=env | {"DJANGO_LOCK_TIMEOUT": "7"})
    before = timeout()
    with transaction.atomic(using=alias):
        school.register("Fido")
        assert timeout() == before
    school.register("Rex")
    assert timeout() == before


@each_database
@pytest.mark.parametrize("value", ["0", "-1", "soon", "nan", "inf", "1e9"])
def test_a_value_that_is_no_time_is_an_error(env, value):
    """At construction, with the variable's name and an example."""
    with pytest.raises(OSError, match=r"DJANGO_LOCK_TIMEOUT is .*seconds above 0, such as '5'"):
        TrainingSchool(env=env | {"DJANGO_LOCK_TIMEOUT": value})
