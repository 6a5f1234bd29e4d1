"""A library moves from eventsourcing-django 0.6 to ours and back; its events, snapshots and followers go on."""

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from adoption.environment import commands_of

PAGE = "docs/packages/eventsourcing-django/upgrading.md"
PROJECT = Path(__file__).parent / "eventsourcing_django"


@pytest.fixture(params=["sqlite", "postgres"])
def variables(request, tmp_path):
    """What configures the library: its database."""
    if request.param == "sqlite":
        database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "library.sqlite3")}
    else:
        url = urlsplit(request.getfixturevalue("postgres_database"))
        database = {
            "ENGINE": "django.db.backends.postgresql", "NAME": url.path[1:], "HOST": url.hostname, "PORT": url.port,
            "USER": url.username, "PASSWORD": url.password,
        }  # fmt: skip
    return {"LIBRARY_DATABASE": json.dumps(database)}


def test_a_library_moves_here_and_back(make_environment, variables):
    """Each package reads the events of the other, uses its snapshots and appends to them, and no event counts twice."""
    environment = make_environment("eventsourcing-django==0.6", "psycopg[binary]")

    def manage(*arguments):
        return environment.run("python", "manage.py", *arguments, cwd=PROJECT, variables=variables)

    def report():
        return json.loads(manage("report", "Emma"))

    manage("migrate")
    manage("lend", "Emma", "ada", "bob", "eve")
    assert report() == {"members": ["ada", "bob", "eve"], "lent": 3, "events": 4, "snapshots": 1}

    environment.script(commands_of(PAGE, "to-pentad"), cwd=PROJECT, variables=variables)
    assert {"pentad-eventsourcing-django", "eventsourcing-django"} & set(environment.versions()) == {
        "pentad-eventsourcing-django"
    }
    assert report() == {"members": ["ada", "bob", "eve"], "lent": 3, "events": 4, "snapshots": 1}
    manage("lend", "Emma", "fay", "gus")
    manage("sync_followers")
    assert report() == {"members": ["ada", "bob", "eve", "fay", "gus"], "lent": 5, "events": 6, "snapshots": 2}

    environment.script(commands_of(PAGE, "to-eventsourcing-django"), cwd=PROJECT, variables=variables)
    assert environment.versions()["eventsourcing-django"] == "0.6"
    assert report() == {"members": ["ada", "bob", "eve", "fay", "gus"], "lent": 5, "events": 6, "snapshots": 2}
    manage("lend", "Emma", "hal")
    manage("sync_followers")
    figures = report()
    assert (figures["members"][-1], figures["lent"], figures["events"]) == ("hal", 6, 7)
