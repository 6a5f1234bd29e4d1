"""One process at a time migrates a database, also when nobody asked for a quorum."""

import pytest
from project import connect, postgres_settings
from test_migrate_quorum import GATED, INITIAL, RECORDED, answer

WAITING = "Waiting for another process that is migrating this database"


@pytest.fixture(params=["sqlite", "postgres"])
def gated(request, make_project):
    """A project whose second migration says that it began and waits for a word."""
    database = postgres_settings(request.getfixturevalue("postgres_database")) if request.param == "postgres" else None
    made = make_project(database)
    made.migration("0001_initial", INITIAL)
    made.migration(
        "0002_gated", "migrations.RunPython(gate, gate)", ["0001_initial"], prelude=GATED, body="atomic = False"
    )
    return made


def test_one_after_the_other(gated):
    """Of four processes that start together one migrates; the others wait, say for whom, and find nothing to do."""
    first = gated.start("migrate")
    first.expect("The gate is reached")
    others = [gated.start("migrate") for _ in range(3)]
    for process in others:
        assert "(process " in process.expect(WAITING)
    answer(first, "go")
    assert [process.finish() for process in (first, *others)] == [0] * 4, [p.output for p in others]
    assert [process.output.count("No migrations to apply") for process in (first, *others)] == [0, 1, 1, 1]


def test_killed(gated):
    """The lock ends with the process that is killed; the next one does the work."""
    first = gated.start("migrate")
    first.expect("The gate is reached")
    second = gated.start("migrate")
    second.expect(WAITING)
    first.kill()
    second.expect("The gate is reached")
    answer(second, "go")
    assert second.finish() == 0


def test_failing(gated):
    """A migration that fails frees the lock for the next process, and each exits with its own outcome."""
    first = gated.start("migrate")
    first.expect("The gate is reached")
    second = gated.start("migrate")
    second.expect(WAITING)
    answer(first, "fail")
    assert first.finish() == 1
    second.expect("The gate is reached")
    answer(second, "go")
    assert second.finish() == 0


def test_looking(gated):
    """--plan, --check and showmigrations do not wait."""
    first = gated.start("migrate")
    first.expect("The gate is reached")
    assert "shop.0002_gated" in gated.run("migrate", "--plan")
    gated.run("migrate", "--check", status=1)
    assert "0002_gated" in gated.run("showmigrations")
    answer(first, "go")
    assert first.finish() == 0


def test_no_trace(gated):
    """Nothing is left beside the database."""
    process = gated.start("migrate")
    process.expect("The gate is reached")
    answer(process, "go")
    assert process.finish() == 0
    assert not list(gated.folder.glob("*.migrating"))


def test_lost_connection(make_project, postgres_database):
    """A process that loses the lock begins no further migration: somebody else may have begun it."""
    project = make_project(postgres_settings(postgres_database))
    project.migration("0001_initial", f"{INITIAL}, migrations.RunPython(gate)", prelude=GATED)
    project.migration("0002_sql", RECORDED, ["0001_initial"])
    process = project.start("migrate")
    process.expect("The gate is reached")
    query = """
        SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    """
    with connect(project) as connection:
        assert connection.execute(query).fetchall() == [(True,)]
    answer(process, "go")
    assert process.finish() == 1
    assert (
        "CommandError: The connection that keeps other processes from migrating this database is lost" in process.output
    )
    assert "Applying shop.0002_sql" not in process.output
