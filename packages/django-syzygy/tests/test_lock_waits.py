"""A migration that cannot get its lock lets the queries behind it pass, and tries again."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from project import connect, postgres_settings

TABLES = """
    migrations.CreateModel("Item", fields=[("id", models.BigAutoField(primary_key=True)), ("n", models.IntegerField(default=0))]),
    migrations.CreateModel("Other", fields=[("id", models.BigAutoField(primary_key=True))])
"""
ADD = 'migrations.AddField("Item", "note", models.TextField(null=True))'
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = %s::regclass"
SEEN = """
def seen(apps, schema_editor):
    print("The code has run", flush=True)
"""


@pytest.fixture
def shop(make_project, postgres_database):
    made = make_project(postgres_settings(postgres_database), MIGRATION_LOCK_TIMEOUT=0.3, MIGRATION_LOCK_PAUSE=0.05)
    made.migration("0001_initial", TABLES)
    made.run("migrate", "-v0")
    return made


@contextmanager
def reader(project, table="shop_item"):
    """A transaction that has read a table, and so keeps everybody from altering it until it ends."""
    with connect(project) as connection, connection.transaction():
        connection.execute(f"SELECT 1 FROM {table}")
        yield connection


def wait_for(project, query, *parameters):
    """Wait until a query gives something other than zero."""
    with connect(project) as connection:
        while not connection.execute(query, parameters).fetchone()[0]:
            threading.Event().wait(0.02)


def columns(project):
    with connect(project) as connection:
        found = connection.execute("SELECT column_name FROM information_schema.columns WHERE table_name = 'shop_item'")
        return {name for (name,) in found}


def finish_after(project, hold, expected, *arguments):
    """Run migrate beside something in its way, which goes when the command has said so twice."""
    with hold:
        command = project.start("migrate", *arguments)
        for _ in range(2):
            line = command.expect("did not get its lock")
    assert expected in line
    assert command.finish() == 0, command.output
    return command.output


def test_queries_pass(shop):
    """A query that queued behind the migration is answered while the reader still keeps the migration waiting."""
    shop.migration("0002_add", ADD, ["0001_initial"])
    with reader(shop), ThreadPoolExecutor(1) as pool:
        command = shop.start("migrate")
        wait_for(shop, WAITING, "shop_item")

        def query():
            with connect(shop) as connection:
                return connection.execute("SELECT count(*) FROM shop_item").fetchone()[0]

        assert pool.submit(query).result(120) == 0
        line = command.expect("did not get its lock")
    assert (
        'ALTER TABLE "shop_item" ADD COLUMN "note" text NULL did not get its lock within 0.3 s, held by process' in line
    )
    assert "idle in transaction" in line and "trying shop.0002_add again" in line
    assert command.finish() == 0
    assert "  Applying shop.0002_add... OK\n" in command.output
    assert "note" in columns(shop)


@pytest.mark.parametrize("atomic", [True, False])
def test_raw_sql(shop, atomic):
    """SQL of one's own is bounded too; outside a transaction its statements each run once, however often one is tried."""
    body = "" if atomic else "atomic = False"
    sql = '["UPDATE shop_item SET n = n + 1", "ALTER TABLE shop_item ADD note text", "UPDATE shop_item SET n = n + 10"]'
    shop.migration("0002_sql", f"migrations.RunSQL({sql})", ["0001_initial"], body=body)
    with connect(shop) as connection:
        connection.execute("INSERT INTO shop_item (n) VALUES (0)")
    finish_after(shop, reader(shop), "ALTER TABLE shop_item ADD note text")
    with connect(shop) as connection:
        assert connection.execute("SELECT n FROM shop_item").fetchall() == [(11,)]


def test_whole_migration_is_repeated(shop):
    """What an atomic migration had locked is given up while it waits for something else: nobody is in a deadlock."""
    operations = f'{ADD}, migrations.AddField("Other", "note", models.TextField(null=True))'
    shop.migration("0002_two", operations, ["0001_initial"])
    with reader(shop, "shop_other") as web:
        web.execute("SET deadlock_timeout = '60s'")
        command = shop.start("migrate")
        wait_for(shop, WAITING, "shop_other")
        # The migration holds shop_item now and waits for us; the answer comes when it gives way.
        assert web.execute("SELECT count(*) FROM shop_item").fetchone() == (0,)
    assert command.finish() == 0, command.output
    assert "note" in columns(shop)


def test_what_waited_for_the_deployment_is_repeated(shop):
    """Operations that were put off until after the deployment are tried again from where they began."""
    shop.migration("0002_remove", 'migrations.RemoveField("Item", "n")', ["0001_initial"])
    shop.migration("0003_add", ADD, ["0002_remove"])
    assert "shop.0002_remove (recorded; its operations wait)" in shop.run("migrate", "--pre-deploy")
    finish_after(shop, reader(shop), "trying shop.0002_remove again")
    assert columns(shop) == {"id", "note"}


def test_statement_of_python_code(shop):
    """Code that has changed nothing yet waits in place: it runs once, and its statement is tried again."""
    code = SEEN + "    schema_editor.execute('ALTER TABLE shop_item ADD note text')\n"
    shop.migration("0002_code", "migrations.RunPython(seen)", ["0001_initial"], prelude=code)
    assert finish_after(shop, reader(shop), "trying it again").count("The code has run") == 1
    assert "note" in columns(shop)


@pytest.mark.parametrize(("tables", "limit"), [("shop_item", 300), ("shop_item, shop_other", 150)])
def test_rows_of_a_statement_with_a_timeout(shop, tables, limit):
    """The timeout comes in the same message as the statement, divided among its locks; code reads the statement's rows."""
    code = f"""
def seen(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT current_query(); LOCK TABLE {tables}")
        print("sent:", *cursor.fetchone())
"""
    shop.migration("0002_code", "migrations.RunPython(seen)", ["0001_initial"], prelude=code)
    sent = f"sent: SET LOCAL lock_timeout = {limit}; SELECT current_query(); LOCK TABLE {tables}"
    assert sent in shop.run("migrate")


def test_python_code_is_not_repeated(shop):
    """Once code has run and rows are changed, a lock that is not got ends the run: all is rolled back, and said."""
    shop.migration("0002_code", f"migrations.RunPython(seen), {ADD}", ["0001_initial"], prelude=SEEN + CHANGE)
    with reader(shop):
        output = shop.run("migrate", status=1)
    assert "CommandError: ALTER TABLE" in output
    assert (
        "The migration shop.0002_code was rolled back and is not tried again by itself" in output
        and "repeatable = True" in output
    )
    assert output.count("The code has run") == 1
    assert "note" not in columns(shop)
    assert "The code has run" in shop.run("migrate")
    assert "note" in columns(shop)


CHANGE = "    apps.get_model('shop', 'Other').objects.create()\n"


def test_repeatable_python_code(shop):
    """A migration that says its code may run again is repeated as a whole; only its last attempt leaves anything."""
    operations = f"migrations.RunPython(seen), {ADD}"
    shop.migration("0002_code", operations, ["0001_initial"], body="repeatable = True", prelude=SEEN + CHANGE)
    output = finish_after(shop, reader(shop), "trying shop.0002_code again")
    assert output.count("The code has run") >= 3
    with connect(shop) as connection:
        assert connection.execute("SELECT count(*) FROM shop_other").fetchone() == (1,)


def test_giving_up(shop):
    """After the last retry the run fails and says what is in the way; nothing of the migration is left behind."""
    shop.settings["MIGRATION_LOCK_RETRIES"] = 1
    shop.migration("0002_add", ADD, ["0001_initial"])
    with reader(shop):
        output = shop.run("migrate", status=1)
    assert "nor in any of 1 further attempts" in output and "held by process" in output
    assert "Traceback" not in output
    assert "note" not in columns(shop)
    shop.run("migrate", "-v0")


def test_reverting(shop):
    """A revert waits in the same way."""
    shop.migration("0002_add", ADD, ["0001_initial"])
    shop.run("migrate", "-v0")
    output = finish_after(shop, reader(shop), "DROP COLUMN", "shop", "0001")
    assert "  Unapplying shop.0002_add... OK\n" in output


def test_vacuum_gives_way(shop):
    """Against a lock such as autovacuum's the next attempts last until PostgreSQL ends autovacuum: its deadlock timeout."""
    shop.migration("0002_add", ADD, ["0001_initial"])

    @contextmanager
    def vacuum():
        with connect(shop) as connection, connection.transaction():
            connection.execute("LOCK TABLE shop_item IN SHARE UPDATE EXCLUSIVE MODE")
            yield

    finish_after(shop, vacuum(), "within 1.2 s")


def test_switched_off(shop):
    """Without a timeout a migration waits as Django's does."""
    shop.settings["MIGRATION_LOCK_TIMEOUT"] = None
    shop.migration("0002_add", ADD, ["0001_initial"])
    with reader(shop):
        command = shop.start("migrate")
        wait_for(shop, WAITING, "shop_item")
    assert command.finish() == 0
    assert "lock" not in command.output


CONCURRENT = (
    "from django.contrib.postgres.operations import AddIndexConcurrently\n"
    'OPERATION = AddIndexConcurrently("Item", models.Index(fields=["n"], name="item_n"))\n'
)


def valid_indexes(project):
    query = "SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indexrelid::regclass::text ~ '^item_n'"
    with connect(project) as connection:
        return connection.execute(query).fetchall()


def test_concurrent_index_after_a_failure(shop):
    """An invalid index that an earlier attempt left is replaced by a valid one."""
    with connect(shop) as connection:
        connection.execute("INSERT INTO shop_item (n) VALUES (1), (1)")
        with pytest.raises(Exception, match="could not create unique index"):
            connection.execute("CREATE UNIQUE INDEX CONCURRENTLY item_n ON shop_item (n)")
    assert valid_indexes(shop) == [("item_n", False)]
    shop.migration("0002_index", "OPERATION", ["0001_initial"], body="atomic = False", prelude=CONCURRENT)
    shop.run("migrate")
    assert valid_indexes(shop) == [("item_n", True)]


def test_concurrent_index_waits(shop):
    """A concurrent index, which keeps nobody from working, waits for old transactions for as long as they last."""
    shop.migration("0002_index", "OPERATION", ["0001_initial"], body="atomic = False", prelude=CONCURRENT)
    with connect(shop) as connection:
        connection.execute(f'ALTER DATABASE "{shop.database["NAME"]}" SET lock_timeout = 50')
    with reader(shop) as web:
        web.execute("UPDATE shop_item SET n = 2")
        command = shop.start("migrate")
        wait_for(shop, "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = %s", "virtualxid")
    assert command.finish() == 0, command.output
    assert valid_indexes(shop) == [("item_n", True)]
    assert "did not get" not in command.output


def test_tables_of_apps_without_migrations(shop):
    """`--run-syncdb` makes tables that refer to others, which it locks: it gives way, too."""
    shop.settings["INSTALLED_APPS"] = ["syzygy", "shop", "loose"]
    shop.models(
        "class Item(models.Model):\n    n = models.IntegerField(default=0)\n\nclass Other(models.Model):\n    pass\n"
    )
    shop.write("loose/__init__.py", "")
    shop.write(
        "loose/models.py",
        "from django.db import models\nclass Thing(models.Model):\n"
        "    item = models.ForeignKey('shop.Item', models.CASCADE)\n",
    )
    writer = reader(shop)
    with writer as web:
        web.execute("INSERT INTO shop_item (n) VALUES (1)")
        command = shop.start("migrate", "--run-syncdb")
        for _ in range(2):
            line = command.expect("did not get its lock")
        assert "trying the tables of apps without migrations again" in line
    assert command.finish() == 0, command.output
    with connect(shop) as connection:
        query = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND confrelid = 'shop_item'::regclass"
        assert connection.execute(query).fetchone() == (1,)


def test_a_connection_that_is_lost(shop):
    """When PostgreSQL ends the migrating session the run fails with its error, and simply goes on when run again."""
    wait = 'def wait(apps, schema_editor):\n    print("Waiting", flush=True)\n    __import__("sys").stdin.readline()\n'
    shop.migration(
        "0002_lost",
        f"{ADD}, migrations.RunPython(wait), migrations.RunSQL('UPDATE shop_item SET n = n + 1')",
        ["0001_initial"],
        body="atomic = False",
        prelude=wait,
    )
    with connect(shop) as connection:
        connection.execute("INSERT INTO shop_item (n) VALUES (0)")
        command = shop.start("migrate")
        command.expect("Waiting")
        ended = """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND pid NOT IN (
                SELECT pid FROM pg_locks WHERE locktype = 'advisory'
            )
        """
        assert connection.execute(ended).fetchall() == [(True,)]
        command.process.stdin.close()
        assert command.finish() == 1
        assert "terminating connection due to administrator command" in command.output
        shop.run("migrate")
        assert connection.execute("SELECT n, note FROM shop_item").fetchall() == [(1, None)]


def test_a_file_that_was_changed_after_it_failed(shop):
    """Outside a transaction what is done stays: a file that now says something else about it is refused."""
    shop.migration("0002_add", f"{ADD}, migrations.RunSQL('nonsense')", ["0001_initial"], body="atomic = False")
    shop.run("migrate", status=1)
    changed = ADD.replace("TextField", "IntegerField")
    shop.migration("0002_add", f"{changed}, migrations.RunSQL('SELECT 1')", ["0001_initial"], body="atomic = False")
    output = shop.run("migrate", status=1)
    assert (
        "CommandError: shop.0002_add was changed after a part of it had been done: 'Add field note to Item'" in output
    )
    assert "Traceback" not in output
    shop.migration("0002_add", f"{ADD}, migrations.RunSQL('SELECT 1')", ["0001_initial"], body="atomic = False")
    shop.run("migrate")
    assert "note" in columns(shop)


OWN_EXECUTOR = """
from django.db import connection
from syzygy.executor import StagedMigrationExecutor
executor = StagedMigrationExecutor(connection)
executor.migrate(executor.loader.graph.leaf_nodes())
with connection.cursor() as cursor:
    cursor.execute("SHOW client_connection_check_interval")
    print(cursor.fetchone()[0])
"""


def test_an_executor_without_a_plan(shop):
    """The executor alone, called without a plan as Django allows, prepares its session as the command does."""
    shop.migration("0002_add", ADD, ["0001_initial"])
    assert shop.run("shell", "-v0", "-c", OWN_EXECUTOR).strip() == "1s"
    assert "note" in columns(shop)
