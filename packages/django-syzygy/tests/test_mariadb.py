"""MariaDB and MySQL cannot take a change of the schema back: what was done before a failure stays done.

By default a few of the statements are tried at which a run may be killed; `SYZYGY_EVERY_STATEMENT=1` tries all of them.
"""

import json
import os
from hashlib import sha1

import pymysql
import pytest
from project import mariadb_settings
from test_killed_runs import KILLER
from test_migrate_quorum import GATED, LATER, NEVER, answer, member_timeout, start, start_followers
from test_runner_lock import WAITING

INITIAL = """
    migrations.CreateModel("Parent", fields=[("id", models.BigAutoField(primary_key=True))]),
    migrations.CreateModel("Item", fields=[
        ("id", models.BigAutoField(primary_key=True)), ("n", models.IntegerField(default=0)),
        ("old", models.IntegerField(null=True)),
    ]),
"""
CHANGES = """
    migrations.AddField("Item", "parent", models.ForeignKey("shop.Parent", models.CASCADE, null=True)),
    migrations.AlterField("Item", "n", models.BigIntegerField(default=0, db_index=True)),
    migrations.RunSQL(["UPDATE shop_item SET n = n + 1", "CREATE TABLE extra (id integer)"]),
    migrations.RunPython(count_up, migrations.RunPython.noop),
    migrations.RenameField("Item", "old", "older"),
    syzygy.operations.AlterField("Item", "older", models.IntegerField(null=True, unique=True), stage=Stage.PRE_DEPLOY),
    migrations.CreateModel("Tag", fields=[("id", models.BigAutoField(primary_key=True)), ("items", models.ManyToManyField("shop.Item"))]),
"""
COUNT_UP = """
def count_up(apps, schema_editor):
    apps.get_model("shop", "Item").objects.update(n=models.F("n") + 100)
"""
COLUMNS = """
    SELECT table_name, column_name, column_type, is_nullable, column_key FROM information_schema.columns
    WHERE table_schema = database() ORDER BY 1, 2
"""
CONSTRAINTS = """
    SELECT table_name, constraint_name, constraint_type FROM information_schema.table_constraints
    WHERE table_schema = database() ORDER BY 1, 2
"""
QUERIES = (COLUMNS, CONSTRAINTS, "SELECT n FROM shop_item", "SELECT name FROM django_migrations ORDER BY 1")


def connected(project, *, autocommit=True):
    """A connection of the tests' own."""
    settings = project.database
    return pymysql.connect(
        host=settings["HOST"], port=settings["PORT"], user=settings["USER"], password=settings["PASSWORD"],
        database=settings["NAME"], autocommit=autocommit, **settings["OPTIONS"],
    )  # fmt: skip


def execute(project, *queries):
    """Run queries on the project's database and return the rows of each."""
    with connected(project) as connection, connection.cursor() as cursor:
        results = []
        for query in queries:
            cursor.execute(query)
            results.append(cursor.fetchall())
        return results


@pytest.fixture
def project(make_project, mariadb_database):
    made = make_project(mariadb_settings(mariadb_database))
    made.migration("0001_initial", INITIAL)
    return made


def started(project):
    """The project with its first migration applied and a row."""
    project.run("migrate", "shop", "0001", "-v0")
    execute(project, "INSERT INTO shop_item (n) VALUES (5)")
    return project


def emptied(project):
    """The same with an empty database."""
    name = project.database["NAME"]
    execute(project, f"DROP DATABASE {name}", f"CREATE DATABASE {name}")
    return started(project)


def test_failing_in_the_middle(project):
    """A migration that fails keeps what came before; mended it goes on there, and nothing is done twice."""
    started(project)
    broken = CHANGES.replace("CREATE TABLE extra (id integer)", "CREATE TABLE extra (id nonsense)")
    project.migration("0002_changes", broken, ["0001_initial"], prelude=COUNT_UP)
    assert "nonsense" in project.run("migrate", status=1)
    assert execute(project, "SELECT n FROM shop_item", "SELECT count(*) FROM django_migrations WHERE app = 'shop'") == [
        ((6,),),
        ((1,),),
    ]
    project.migration("0002_changes", CHANGES, ["0001_initial"], prelude=COUNT_UP)
    project.run("migrate")
    columns, constraints, rows, _ = execute(project, *QUERIES)
    assert rows == ((106,),)
    assert {"parent_id", "older"} <= {column[1] for column in columns if column[0] == "shop_item"}
    assert [kind for table, _, kind in constraints if table == "shop_item_tag" or kind == "FOREIGN KEY"]
    assert not [column for column in columns if column[0] == "syzygy_progress"]


def test_unique_fields_that_are_exchanged(project):
    """Where the rows refuse the new set of unique fields after the old one went, the next run does not miss that."""
    project.migration("0002_first", 'migrations.AlterUniqueTogether("Item", {("n", "id")})', ["0001_initial"])
    project.migration("0003_second", 'migrations.AlterUniqueTogether("Item", {("n", "old")})', ["0002_first"])
    project.run("migrate", "shop", "0002", "-v0")
    execute(project, "INSERT INTO shop_item (n, old) VALUES (5, 1), (5, 1)")
    assert "Duplicate entry" in project.run("migrate", status=1)
    execute(project, "UPDATE shop_item SET old = id")
    project.run("migrate")
    _, constraints, _, _ = execute(project, *QUERIES)
    (name,) = [name for table, name, kind in constraints if table == "shop_item" and kind == "UNIQUE"]
    assert name.startswith("shop_item_n_old")


def test_changed_after_it_failed(project):
    """What is done must not be changed in the file afterwards: that is refused before anything more is done."""
    started(project)
    column = 'migrations.AddField("Item", "extra", models.IntegerField(null=True))'
    project.migration("0002_changes", f'{column}, migrations.RunSQL("nonsense")', ["0001_initial"])
    project.run("migrate", status=1)
    changed = column.replace("IntegerField", "TextField")
    for text in (f"{changed}, migrations.RunSQL('SELECT 1')", "migrations.RunSQL('SELECT 1')"):
        project.migration("0002_changes", text, ["0001_initial"])
        output = project.run("migrate", status=1)
        assert (
            "CommandError: shop.0002_changes was changed after a part of it had been done: 'Add field extra" in output
        )
        assert "the table syzygy_progress whose app is 'shop' and whose name is '0002_changes'" in output
    project.migration("0002_changes", column, ["0001_initial"])
    project.run("migrate")


def test_reverting_what_fails_in_the_middle(project):
    """A revert goes on where it failed, too."""
    started(project)
    stage = "stage = Stage.POST_DEPLOY"
    changes = """
        migrations.RemoveField("Item", "old"), migrations.RunSQL("SELECT 1", {sql!r}),
        migrations.AddField("Item", "new", models.IntegerField(null=True)),
    """
    project.migration("0002_changes", changes.format(sql="nonsense"), ["0001_initial"], body=stage)
    project.run("migrate", "-v0")
    assert "nonsense" in project.run("migrate", "shop", "0001", status=1)
    project.migration("0002_changes", changes.format(sql="SELECT 1"), ["0001_initial"], body=stage)
    assert "was changed" not in project.run("migrate", "shop", "0001")
    (columns,) = execute(project, COLUMNS)
    assert [column[1] for column in columns if column[0] == "shop_item"] == ["id", "n", "old"]


def test_killed_at_a_statement(project):
    """Killed before any statement, the one that notes a change included, a run is simply started again."""
    project.write("shop/__init__.py", KILLER)
    started(project)
    project.migration("0002_changes", CHANGES, ["0001_initial"], prelude=COUNT_UP)
    counted = project.start("migrate", COUNT="1")
    assert counted.finish() == 0, counted.output
    lines = [line.split() for line in counted.output.splitlines() if line.startswith("statement ")]
    expected = execute(project, *QUERIES)
    assert expected[2] == ((106,),)
    after_changes = [int(lines[i + 1][1]) for i in range(len(lines) - 1) if lines[i][2] in {"ALTER", "CREATE"}]
    numbers = range(1, len(lines) + 1) if os.environ.get("SYZYGY_EVERY_STATEMENT") else after_changes[2::8]
    for number in numbers:
        emptied(project)
        killed = project.start("migrate", KILL_AT=str(number))
        assert killed.finish() == -9, (number, killed.output)
        again = project.start("migrate")
        assert again.finish() == 0, (number, again.output)
        assert execute(project, *QUERIES) == expected, f"killed at statement {number}: {lines[number - 1]}"


def test_killed_backfill(project):
    """A backfill goes on behind the last batch that was finished."""
    started(project)
    execute(project, "INSERT INTO shop_item (n) SELECT seq FROM seq_1_to_50")
    prelude = "def value(row):\n    if row.pk == 31 and not __import__('os').path.exists('mended'):\n        raise ValueError('told to fail')\n    return row.n"
    operation = "syzygy.operations.Backfill('Item', {'old': value}, batch_size=10)"
    project.migration("0002_fill", operation, ["0001_initial"], body="atomic = False", prelude=prelude)
    assert "told to fail" in project.run("migrate", status=1)
    assert execute(project, "SELECT count(*) FROM shop_item WHERE old IS NOT NULL") == [((30,),)]
    execute(project, "UPDATE shop_item SET old = -1 WHERE old IS NOT NULL")
    project.write("mended", "")
    project.run("migrate")
    assert execute(project, "SELECT count(*), sum(old = -1) FROM shop_item WHERE old IS NOT NULL") == [((51, 30),)]


def test_before_and_after_a_deployment(project):
    """The stages, and a removal that waits beneath a change stacked on it, work as on other databases."""
    started(project)
    project.migration("0002_gone", 'migrations.RemoveField("Item", "old")', ["0001_initial"])
    project.migration("0003_more", 'migrations.AddField("Item", "more", models.IntegerField(null=True))', ["0002_gone"])
    plan = json.loads(project.run("migrate", "--pre-deploy", "--plan", "--format", "json"))
    assert [(entry["name"], entry["when"]) for entry in plan["migrations"]] == [
        ("0002_gone", "recorded"),
        ("0003_more", "now"),
    ]
    assert plan["migrations"][1]["operations"][0]["reason"] == "locks are not predicted on MariaDB"
    project.run("migrate", "--pre-deploy")
    (columns,) = execute(project, COLUMNS)
    assert {"old", "more"} <= {column[1] for column in columns}
    project.run("migrate", "--post-deploy")
    (columns,) = execute(project, COLUMNS)
    assert "old" not in {column[1] for column in columns}


def test_one_after_the_other(project):
    """The server's named lock lets one process migrate a database; it ends with the process that is killed."""
    project.migration("0002_gated", "migrations.RunPython(gate, gate)", ["0001_initial"], prelude=GATED)
    first = project.start("migrate")
    first.expect("The gate is reached")
    second = project.start("migrate")
    assert "(connection " in second.expect(WAITING)
    third = project.start("migrate")
    third.expect(WAITING)
    first.kill()
    for process in (second, third):
        answer(process, "go")
    assert [process.finish() for process in (second, third)] == [0, 0], [second.output, third.output]
    assert sorted(process.output.count("The gate is reached") for process in (second, third)) == [0, 1]


def test_lost_lock(project):
    """A process whose lock the server ended begins no further migration."""
    project.migration("0002_gated", "migrations.RunPython(gate)", ["0001_initial"], prelude=GATED)
    project.migration("0003_sql", "migrations.RunSQL('SELECT 1')", ["0002_gated"])
    process = project.start("migrate")
    process.expect("The gate is reached")
    name = sha1(project.database["NAME"].encode()).hexdigest()
    (((holder,),),) = execute(project, f"SELECT IS_USED_LOCK('syzygy:{name}')")
    execute(project, f"KILL {holder}")
    answer(process, "go")
    assert process.finish() == 1
    assert "The connection that keeps other processes from migrating this database is lost" in process.output
    assert "Applying shop.0003" not in process.output


def test_waiting_for_a_transaction(project):
    """A change that a transaction stands in the way of lets the queries behind it pass, and is tried again."""
    started(project)
    project.settings["MIGRATION_LOCK_PAUSE"] = 0.05
    project.migration(
        "0002_more", 'migrations.AddField("Item", "more", models.IntegerField(null=True))', ["0001_initial"]
    )
    with connected(project, autocommit=False) as reader, reader.cursor() as cursor:
        cursor.execute("SELECT n FROM shop_item")
        process = project.start("migrate")
        for _ in range(2):
            line = process.expect("did not get its lock within 0.8 s; trying it again")
        assert "ALTER TABLE `shop_item`" in line
        execute(project, "SELECT n FROM shop_item")  # comes to an end although the transaction does not
    assert process.finish() == 0, process.output
    (columns,) = execute(project, COLUMNS)
    assert "more" in {column[1] for column in columns}


def test_waiting_in_vain(project):
    """After the last attempt the command ends with an error, and the next run does the work."""
    started(project)
    project.settings |= {"MIGRATION_LOCK_PAUSE": 0.05, "MIGRATION_LOCK_RETRIES": 1}
    project.migration("0002_gone", 'migrations.RemoveField("Item", "old")', ["0001_initial"])
    with connected(project, autocommit=False) as reader, reader.cursor() as cursor:
        cursor.execute("SELECT n FROM shop_item")
        output = project.run("migrate", status=1)
    assert "nor in any of 1 further attempts" in output
    project.run("migrate")


@pytest.fixture
def gated(project):
    """A quorum in the database itself, and a migration that waits for a word and then notes that it ran."""
    project.settings["MIGRATION_QUORUM_BACKEND"] = {
        "backend": "syzygy.quorum.backends.database.DatabaseQuorum",
        "member_timeout": NEVER,
    }
    noted = "migrations.RunSQL('INSERT INTO shop_item (n) VALUES (7)')"
    project.migration("0002_gated", f"migrations.RunPython(gate, gate), {noted}", ["0001_initial"], prelude=GATED)
    return project


def test_quorum(gated):
    """Of two processes one applies the plan, and both end well; a failure reaches the follower, and both run again."""
    for word, status in (("fail", 1), ("go", 0)):
        (follower,) = start_followers(gated, 1, 2)
        (leader,) = start(gated, 1, 2)
        leader.expect("The gate is reached")
        follower.expect("Waiting for migrations to be applied")
        answer(leader, word)
        assert [follower.finish(), leader.finish()] == [status, status], [follower.output, leader.output]
    assert execute(gated, "SELECT n FROM shop_item") == [((7,),)]


def test_quorum_whose_leader_is_killed(gated):
    """A sign of life that nobody renews fades: the followers say that the leader ended."""
    # On a database each process has its own opinion of how long another one may be silent.
    with member_timeout(gated, LATER):
        (follower,) = start_followers(gated, 1, 2)
    (leader,) = start(gated, 1, 2)
    leader.expect("The gate is reached")
    leader.kill()
    assert follower.finish() == 1
    assert "ended before it was done" in follower.output
    with member_timeout(gated, LATER):
        again = start(gated, 2, 2)
    for process in again:
        answer(process, "go")
    assert [process.finish() for process in again] == [0, 0], [p.output for p in again]
    assert execute(gated, "SELECT n FROM shop_item") == [((7,),)]
