"""Whatever statement a run is killed at, the next run leaves the schema and the rows of a run that was not killed.

By default some statements of each run are tried; `SYZYGY_EVERY_STATEMENT=1` tries all of them.
"""

import os

import psycopg
import pytest
from project import connect, postgres_settings

KILLER = """
import os, signal
from django.db.backends.signals import connection_created

count = 0

def before_statement(execute, sql, params, many, context):
    global count
    count += 1
    if count == int(os.environ.get("KILL_AT", 0)):
        os.kill(os.getpid(), signal.SIGKILL)
    if "COUNT" in os.environ:
        print("statement", count, str(sql).split()[0], flush=True)
    return execute(sql, params, many, context)

def watch(connection, **kwargs):
    if before_statement not in connection.execute_wrappers:
        connection.execute_wrappers.append(before_statement)

connection_created.connect(watch)
"""
INITIAL = """
    migrations.CreateModel("Parent", fields=[("id", models.BigAutoField(primary_key=True))]),
    migrations.CreateModel("Item", fields=[
        ("id", models.BigAutoField(primary_key=True)), ("n", models.IntegerField(default=0)),
        ("old", models.IntegerField(null=True)),
    ]),
"""
ATOMIC = """
    migrations.AddField("Item", "parent", models.ForeignKey("shop.Parent", models.CASCADE, null=True)),
    migrations.CreateModel("Tag", fields=[("id", models.BigAutoField(primary_key=True)), ("items", models.ManyToManyField("shop.Item"))]),
    migrations.RunSQL("UPDATE shop_item SET n = n + 1", migrations.RunSQL.noop),
"""
STEPS = """
    AddIndexConcurrently("Item", models.Index(fields=["n"], name="item_n")),
    migrations.AddField("Item", "slug", models.SlugField(default="x")),
    migrations.RunSQL(["UPDATE shop_item SET n = n + 10", "CREATE INDEX CONCURRENTLY item_slug ON shop_item (slug, n)"]),
    migrations.RunPython(count_up, migrations.RunPython.noop, atomic=True),
    RemoveIndexConcurrently("Item", "item_n"),
"""
PRELUDE = """
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
def count_up(apps, schema_editor):
    apps.get_model("shop", "Item").objects.update(n=models.F("n") + 100)
"""
RUNS = [["--pre-deploy"], []]
SCHEMA = """
    SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull,
        pg_get_expr(d.adbin, d.adrelid)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' ORDER BY 1, 2
"""
INDEXES = "SELECT pg_get_indexdef(indexrelid), indisvalid FROM pg_index WHERE indrelid::regclass::text LIKE 'shop%' ORDER BY 1"
CONSTRAINTS = "SELECT conname::text, pg_get_constraintdef(oid) FROM pg_constraint WHERE conname LIKE 'shop%' ORDER BY 1"
ROWS = "SELECT n, slug FROM shop_item ORDER BY id"
HISTORY = "SELECT name::text FROM django_migrations WHERE app = 'shop' ORDER BY 1"


@pytest.fixture
def shop(make_project, postgres_database):
    made = make_project(postgres_settings(postgres_database), INSTALLED_APPS=["syzygy", "shop"])
    made.write("shop/__init__.py", KILLER)
    made.migration("0001_initial", INITIAL)
    made.run("migrate", "-v0")
    with connect(made) as connection:
        connection.execute("INSERT INTO shop_item (n) SELECT generate_series(1, 5)")
    made.migration("0002_atomic", ATOMIC, ["0001_initial"])
    made.migration("0003_removal", 'migrations.RemoveField("Item", "old")', ["0002_atomic"])
    made.migration("0004_steps", STEPS, ["0003_removal"], body="atomic = False", prelude=PRELUDE)
    return made


class Copies:
    """Databases that begin as copies of another, one at a time."""

    def __init__(self, project):
        self.project = project
        self.base = project.database["NAME"]

    def fresh(self, template):
        """Work on a new copy of a database from here on."""
        self.project.database["NAME"] = self.base
        name = f"{self.base}_copy"
        self._admin(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self._admin(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        self.project.database["NAME"] = name

    def keep(self, name):
        """Keep the current copy as a template."""
        copy, self.project.database["NAME"] = self.project.database["NAME"], self.base
        self._admin(f'CREATE DATABASE "{name}" TEMPLATE "{copy}"')

    def _admin(self, statement):
        # A killed process's sessions end a moment after it, and CREATE DATABASE insists that they have.
        settings = {key.lower(): value for key, value in self.project.database.items() if key != "ENGINE" and value}
        settings["dbname"] = "postgres"
        del settings["name"]
        with psycopg.connect(**settings, autocommit=True) as connection:
            for other in (self.base, f"{self.base}_copy", f"{self.base}_half"):
                connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [other])
            connection.execute(statement)


def fingerprint(project):
    with connect(project) as connection:
        return [connection.execute(query).fetchall() for query in (SCHEMA, INDEXES, CONSTRAINTS, ROWS, HISTORY)]


def statements(project, *options):
    """Run to the end and return how many statements that took."""
    command = project.start("migrate", *options, COUNT="1")
    assert command.finish() == 0, command.output
    return command.output.count("statement ")


def chosen(total):
    """All of the statements, or some of them, the last ones of the run included."""
    step = 1 if os.environ.get("SYZYGY_EVERY_STATEMENT") else max(1, total // 3)
    return range(total, 0, -step)


def test_killed_at_a_statement(shop):
    """Killed before any statement of either half of a deployment, a run is simply started again."""
    copies = Copies(shop)
    copies.fresh(copies.base)
    totals = [statements(shop, *RUNS[0])]
    copies.keep(half := f"{copies.base}_half")
    copies.fresh(half)
    totals.append(statements(shop, *RUNS[1]))
    expected = fingerprint(shop)
    assert expected[3] == [(number + 111, "x") for number in range(1, 6)]
    assert all(valid for _, valid in expected[1])
    for run, template in ((0, copies.base), (1, half)):
        for number in chosen(totals[run]):
            copies.fresh(template)
            killed = shop.start("migrate", *RUNS[run], KILL_AT=str(number))
            assert killed.finish() == -9, (number, killed.output)
            for options in RUNS[run:]:
                again = shop.start("migrate", *options)
                assert again.finish() == 0, (number, again.output)
            assert fingerprint(shop) == expected, f"killed at statement {number} of {RUNS[run]}"
