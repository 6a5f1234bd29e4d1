"""Filling a column in batches: each row once, also when the run is killed, and no row locked for long."""

import json

import pytest
from django.db import models
from django.db.migrations.writer import OperationWriter
from project import connect, postgres_settings

from syzygy import Stage, operations
from syzygy.operations.backfill import _Filling

CREATE = (
    'migrations.CreateModel("Item", fields=[("id", models.BigAutoField(primary_key=True)), '
    '("n", models.IntegerField(default=0)), ("total", models.IntegerField(null=True))])'
)
ROWS = 2000


@pytest.fixture
def shop(make_project, postgres_database):
    made = make_project(postgres_settings(postgres_database))
    made.migration("0001_initial", CREATE)
    made.run("migrate", "-v0")
    with connect(made) as connection:
        connection.execute("INSERT INTO shop_item (n) SELECT generate_series(1, %s)", [ROWS])
    return made


def backfill(project, arguments, body="atomic = False", prelude=""):
    operation = f"syzygy.operations.Backfill('Item', {arguments})"
    project.migration("0002_fill", operation, ["0001_initial"], body=body, prelude=prelude)


def totals(project):
    with connect(project) as connection:
        return connection.execute("SELECT total - n, count(*) FROM shop_item GROUP BY 1 ORDER BY 1").fetchall()


def test_expressions(shop):
    """An expression is set by the database, batch by batch, and the last line says how many rows and how fast."""
    backfill(shop, "{'total': models.F('n') + 7}, batch_size=300")
    output = shop.run("migrate")
    assert f"Backfill total of Item: {ROWS:,} rows, " in output and "rows were locked for at most" in output
    assert totals(shop) == [(7, ROWS)]


def test_chosen_rows(shop):
    """`where` chooses the rows."""
    backfill(shop, "{'total': models.F('n')}, where=models.Q(n__lte=500, total=None), batch_size=200")
    shop.run("migrate")
    assert totals(shop) == [(0, 500), (None, ROWS - 500)]


def test_functions(shop):
    """A function is called with each row; constants are set beside it."""
    prelude = "def double(row):\n    return row.n * 2\n"
    backfill(shop, "{'total': double, 'n': 5}, batch_size=900", prelude=prelude)
    shop.run("migrate")
    with connect(shop) as connection:
        found = connection.execute("SELECT sum(total), min(n), max(n) FROM shop_item").fetchone()
    assert found == (ROWS * (ROWS + 1), 5, 5)


def test_killed(shop):
    """A run that is killed goes on behind the last finished batch: no row is changed twice, none is left out."""
    with connect(shop) as connection:
        connection.execute("UPDATE shop_item SET total = n")
    gate = (
        "import sys\n"
        "class Gate(models.F):\n"
        "    def resolve_expression(self, *args, **kwargs):\n"
        "        print('A batch begins', flush=True)\n"
        "        if sys.stdin.readline() == 'die\\n':\n"
        "            import os, signal\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "        return super().resolve_expression(*args, **kwargs)\n"
    )
    backfill(shop, "{'total': Gate('total') + 1}, batch_size=100", prelude=gate)
    for word in ("die", "die", "go"):
        process = shop.start("migrate")
        words = ["go"] * 3 + [word] if word == "die" else ["go"] * 40
        process.process.stdin.write("".join(f"{each}\n" for each in words))
        process.process.stdin.flush()
        assert process.finish() == (-9 if word == "die" else 0), process.output
    assert totals(shop) == [(1, ROWS)]
    with connect(shop) as connection:
        assert connection.execute("SELECT to_regclass('syzygy_progress')").fetchone() == (None,)


def test_rows_that_come_meanwhile(shop):
    """Rows that old code adds while the backfill runs are filled too."""
    prelude = "def add(row):\n    if row.n == 1000:\n        type(row).objects.create(n=5000)\n    return row.n\n"
    backfill(shop, "{'total': add}, batch_size=100", prelude=prelude)
    shop.run("migrate")
    assert totals(shop) == [(0, ROWS + 1)]


def test_on_sqlite(project):
    """On SQLite it works in batches as well."""
    project.migration("0001_initial", CREATE)
    rows = "[f'INSERT INTO shop_item (n) VALUES ({n})' for n in range(50)]"
    project.migration("0001_rows", f"migrations.RunSQL({rows})", ["0001_initial"])
    operation = "syzygy.operations.Backfill('Item', {'total': models.F('n')}, batch_size=20)"
    project.migration("0002_fill", operation, ["0001_rows"], body="atomic = False")
    assert "Backfill total of Item: 50 rows" in project.run("migrate")


def test_atomic_migration(shop):
    """In a migration that is one transaction it refuses to work, and says what to change, if there are rows at all."""
    backfill(shop, "{'total': 1}", body="")
    assert "Set `atomic = False` on its migration" in shop.run("migrate", status=1)
    with connect(shop) as connection:
        connection.execute("DELETE FROM shop_item")
    assert "Applying shop.0002_fill... OK" in shop.run("migrate")


@pytest.mark.parametrize(
    ("seconds", "size", "expected"),
    [(0.6, 1000, 500), (0.6, 1, 1), (0.2, 500, 500), (0.01, 400, 800), (0.01, 800, 1000)],
)
def test_size_of_batches(seconds, size, expected):
    """A batch that locked its rows for too long is followed by smaller ones, quick ones by larger ones up to the limit."""
    filling = _Filling(operations.Backfill("Item", {"n": 1}), _Item, "default", None)
    filling.size = size
    filling._adapt(seconds)
    assert filling.size == expected


class _Item:
    class _meta:  # noqa: N801 - as Django calls it
        pk = models.BigAutoField()


def test_in_files():
    """A migration file holds what was given, and reads back as the same."""
    given = operations.Backfill(
        "Item", {"n": models.F("m") + 1}, where=models.Q(n=None), pause=0.1, stage="post_deployment"
    )
    text, imports = OperationWriter(given, indentation=0).serialize()
    scope = {}
    exec("\n".join({*imports, "import syzygy.operations"}), scope)
    read = eval(text.rstrip().rstrip(","), scope)
    assert read.deconstruct() == given.deconstruct()
    assert read.stage is Stage.POST_DEPLOY
    assert json.dumps(given.migration_name_fragment) == '"backfill_item_n"'


@pytest.mark.parametrize(
    "wrong", [{"values": {}}, {"values": {"n": 1}, "batch_size": 0}, {"values": {"n": 1}, "pause": -1}]
)
def test_wrong_arguments(wrong):
    """Arguments that cannot work are refused when the file is read."""
    with pytest.raises(ValueError, match="A backfill needs"):
        operations.Backfill("Item", **wrong)


@pytest.mark.parametrize("server", ["sqlite", "postgres"])
def test_composite_key(make_project, request, server):
    """Rows are taken in the order of all columns of the primary key, and a run goes on behind the last batch."""
    url = request.getfixturevalue("postgres_database") if server == "postgres" else None
    project = make_project(url and postgres_settings(url))
    key = """
        ("pk", models.CompositePrimaryKey("day", "n")), ("day", models.DateField()), ("n", models.IntegerField()),
        ("own", models.IntegerField(null=True)), ("same", models.IntegerField(null=True)),
    """
    rows = [f"('2026-01-0{day}', {n})" for day in (1, 2, 3) for n in (2, 1, 3)]
    insertion = f'migrations.RunSQL("INSERT INTO shop_item (day, n) VALUES {", ".join(rows)}")'
    project.migration("0001_initial", f'migrations.CreateModel("Item", fields=[{key}]), {insertion}')
    prelude = "from pathlib import Path\ndef own(row):\n    Path('called').open('a').write(f'{row.day.day}{row.n} ')\n"
    prelude += "    return row.n if Path('mended').exists() or row.day.day < 3 else 1 / 0\n"
    fill = "syzygy.operations.FillField('Item', 'same', models.F('n') + 1, stage=Stage.PRE_DEPLOY)"
    own = "syzygy.operations.Backfill('Item', {'own': own}, batch_size=2)"
    project.migration("0002_fill", f"{fill}, {own}", ["0001_initial"], body="atomic = False", prelude=prelude)
    assert "ZeroDivisionError" in project.run("migrate", status=1)
    project.write("mended", "")
    filled = "def show(apps, editor):\n    rows = apps.get_model('shop', 'Item').objects.filter(own=models.F('n'), same=models.F('n') + 1)\n"
    filled += "    print('filled', rows.count())\n"
    project.migration("0003_show", "migrations.RunPython(show)", ["0002_fill"], prelude=filled)
    assert "filled 9" in project.run("migrate")
    assert (project.folder / "called").read_text() == "11 12 13 21 22 23 31 31 32 33 "
