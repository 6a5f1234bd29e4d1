"""The locks that a plan shows are those that PostgreSQL then takes."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections, migrations, models, transaction
from django.db.migrations.state import ProjectState
from project import postgres_settings

from syzygy import Stage, operations
from syzygy.locks import LockMode, locks_of
from syzygy.locks.catalog import count_waits, resolve
from syzygy.locks.prediction import predict_locks
from syzygy.locks.statements import strong_locks_of

STRING = models.CharField(max_length=20)
ID = ("id", models.BigAutoField(primary_key=True))
TABLES = [
    migrations.CreateModel("Parent", [ID, ("code", models.IntegerField(default=0))]),
    migrations.CreateModel(
        "Item",
        [
            ID,
            ("name", models.CharField(max_length=9)),
            ("n", models.IntegerField(null=True, db_index=True)),
            ("loose", models.IntegerField(null=True)),
            ("parent", models.ForeignKey("shop.Parent", models.CASCADE, null=True)),
            ("friends", models.ManyToManyField("shop.Parent", related_name="+")),
        ],
        options={
            "indexes": [models.Index(fields=["loose"], name="item_loose")],
            "constraints": [models.CheckConstraint(condition=models.Q(n__gte=0), name="item_n_positive")],
            "unique_together": {("name", "n")},
        },
    ),
]
KINDS = {
    "create a model": migrations.CreateModel("New", [ID]),
    "create a model that refers to one": migrations.CreateModel(
        "New", [ID, ("parent", models.ForeignKey("shop.Parent", models.CASCADE))]
    ),
    "delete a model": migrations.DeleteModel("Item"),
    "rename a model": migrations.RenameModel("Item", "Thing"),
    "change a table's name": migrations.AlterModelTable("Item", "things"),
    "change a table's comment": migrations.AlterModelTableComment("Item", "Things"),
    "change options": migrations.AlterModelOptions("Item", {"ordering": ["n"]}),
    "add a column": migrations.AddField("Item", "new", models.IntegerField(null=True)),
    "add a column with a default": migrations.AddField("Item", "new", models.IntegerField(default=3)),
    "add a column with an index": migrations.AddField(
        "Item", "new", models.CharField(max_length=3, db_index=True, default="")
    ),
    "add a foreign key": migrations.AddField(
        "Item", "new", models.ForeignKey("shop.Parent", models.CASCADE, null=True, related_name="+")
    ),
    "add a many-to-many field": migrations.AddField(
        "Item", "new", models.ManyToManyField("shop.Parent", related_name="+")
    ),
    "remove a column": migrations.RemoveField("Item", "loose"),
    "remove a foreign key": migrations.RemoveField("Item", "parent"),
    "remove a many-to-many field": migrations.RemoveField("Item", "friends"),
    "rename a column": migrations.RenameField("Item", "name", "title"),
    "widen a column": migrations.AlterField("Item", "name", STRING),
    "change a column's type": migrations.AlterField("Item", "loose", models.BigIntegerField(null=True)),
    "require a column": migrations.AlterField("Item", "loose", models.IntegerField()),
    "make a column unique": migrations.AlterField("Item", "loose", models.IntegerField(null=True, unique=True)),
    "index a column": migrations.AlterField("Item", "loose", models.IntegerField(null=True, db_index=True)),
    "drop a column's index": migrations.AlterField("Item", "n", models.IntegerField(null=True)),
    "set a default of the database": migrations.AlterField(
        "Item", "loose", models.IntegerField(null=True, db_default=1)
    ),
    "comment on a column": migrations.AlterField("Item", "loose", models.IntegerField(null=True, db_comment="x")),
    "no longer refer to a parent": migrations.AlterField(
        "Item", "parent", models.ForeignKey("shop.Parent", models.CASCADE, null=True, db_constraint=False)
    ),
    "a staged alteration": operations.AlterField("Item", "loose", models.IntegerField(), stage=Stage.POST_DEPLOY),
    "add an index": migrations.AddIndex("Item", models.Index(fields=["n"], name="new")),
    "remove an index": migrations.RemoveIndex("Item", "item_loose"),
    "rename an index": migrations.RenameIndex("Item", "new", old_name="item_loose"),
    "add a check": migrations.AddConstraint(
        "Item", models.CheckConstraint(condition=models.Q(loose__gte=0), name="new")
    ),
    "add a unique constraint": migrations.AddConstraint("Item", models.UniqueConstraint(fields=["loose"], name="new")),
    "add a conditional unique constraint": migrations.AddConstraint(
        "Item", models.UniqueConstraint(fields=["loose"], condition=models.Q(n=1), name="new")
    ),
    "remove a constraint": migrations.RemoveConstraint("Item", "item_n_positive"),
    "drop unique together": migrations.AlterUniqueTogether("Item", set()),
    "change rows": migrations.RunSQL("UPDATE shop_item SET n = 1; DELETE FROM shop_parent", elidable=True),
    "a trigger": migrations.RunSQL(
        "CREATE FUNCTION f() RETURNS trigger AS $$ BEGIN RETURN NEW; END $$ LANGUAGE plpgsql;"
        "CREATE TRIGGER t BEFORE INSERT ON shop_item FOR EACH ROW EXECUTE FUNCTION f()"
    ),
    "several statements": migrations.RunSQL(
        [
            "ALTER TABLE shop_item ADD COLUMN x int, DROP COLUMN loose",
            "TRUNCATE shop_parent CASCADE",
            "CREATE INDEX ON shop_item (x)",
        ]
    ),
    "a constraint in two steps": migrations.RunSQL(
        "ALTER TABLE shop_parent ADD CONSTRAINT c CHECK (code > -1) NOT VALID; ALTER TABLE shop_parent VALIDATE CONSTRAINT c"
    ),
    "a foreign key in words": migrations.RunSQL(
        "ALTER TABLE shop_item ADD CONSTRAINT c FOREIGN KEY (loose) REFERENCES shop_parent (id) NOT VALID"
    ),
    "a lock": migrations.RunSQL("LOCK TABLE shop_item IN SHARE ROW EXCLUSIVE MODE"),
}
TABLE_NAMES = "SELECT oid, relname FROM pg_class WHERE relname IN ('shop_item', 'shop_parent', 'shop_item_friends')"
HELD = "SELECT relation, mode FROM pg_locks WHERE pid = %s AND relation = ANY(%s)"


@pytest.fixture(scope="module")
def shop(postgres_service, django_db_blocker):
    """A connection to a database with a few tables, and their state."""
    url = postgres_service.create_database()
    connections.settings["shop"] = {**connections.settings["default"], **postgres_settings(url)}
    state = ProjectState()
    with django_db_blocker.unblock():
        connection = connections["shop"]
        for operation in TABLES:
            before = state.clone()
            operation.state_forwards("shop", state)
            with connection.schema_editor() as editor:
                operation.database_forwards("shop", editor, before, state)
        yield connection, state
        connection.close()
    del connections["shop"]
    del connections.settings["shop"]
    postgres_service.drop_database(url)


def tables(connection):
    """The tables that are there now, by their identity, which outlives a new name."""
    with connection.cursor() as cursor:
        cursor.execute(TABLE_NAMES)
        return dict(cursor.fetchall())


def held(connection, before, pid=None):
    """The strongest lock on each of the tables."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        cursor.execute(HELD, [pid or cursor.fetchone()[0], list(before)])
        found = {}
        for table, mode in cursor.fetchall():
            found[before[table]] = max(found.get(before[table], LockMode.ACCESS_SHARE), _MODES[mode])
    # Whoever plans a statement also reads: the weakest lock keeps nobody from anything.
    return {table: mode for table, mode in found.items() if mode > LockMode.ROW_SHARE}


_MODES = {mode.pg_locks_mode: mode for mode in LockMode}


class UndoError(Exception):
    """Ends a transaction without leaving anything."""


@pytest.mark.parametrize("kind", KINDS)
def test_prediction(shop, kind):
    """What is predicted for an operation is the strongest lock on each table that pg_locks shows while it runs."""
    connection, before = shop
    operation, after = KINDS[kind], before.clone()
    operation.state_forwards("shop", after)
    locks, reason = predict_locks(connection, "shop", operation, before, after)
    assert locks is not None, reason
    there = tables(connection)
    with pytest.raises(UndoError), transaction.atomic("shop"):
        with connection.schema_editor() as editor:
            operation.database_forwards("shop", editor, before, after)
        assert {lock.table: lock.mode for lock in locks} == held(connection, there)
        raise UndoError


def test_prediction_of_a_revert(shop):
    """A revert is predicted from what it will do."""
    connection, before = shop
    after = before.clone()
    operation = migrations.AddIndex("Item", models.Index(fields=["n"], name="new"))
    operation.state_forwards("shop", after)
    with pytest.raises(UndoError), transaction.atomic("shop"):
        with connection.schema_editor() as editor:
            operation.database_forwards("shop", editor, before, after)
        locks, _ = predict_locks(connection, "shop", operation, before, after, backward=True)
        assert [(lock.table, lock.mode.sql) for lock in locks] == [("shop_item", "ACCESS EXCLUSIVE")]
        raise UndoError


@pytest.mark.parametrize(
    "statement", ["CREATE INDEX CONCURRENTLY new ON shop_item (n)", "DROP INDEX CONCURRENTLY item_loose2"]
)
def test_concurrent_statements(shop, statement):
    """A concurrent index holds, while it waits for somebody's transaction, the weak lock that is predicted."""
    connection, _ = shop
    with connection.cursor() as cursor:
        cursor.execute("CREATE INDEX item_loose2 ON shop_item (loose)")
    other = connections.create_connection("shop")
    other.inc_thread_sharing()
    predicted = {lock.table: lock.mode for lock in resolve(connection, locks_of(statement))}
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic("shop"), connection.cursor() as cursor, other.cursor() as concurrent:
            concurrent.execute("SELECT pg_backend_pid()")
            pid = concurrent.fetchone()[0]
            cursor.execute("UPDATE shop_item SET n = 1")
            cursor.execute("SELECT 1 FROM shop_item")
            running = pool.submit(concurrent.execute, statement)
            while not waits(cursor, pid) and not running.done():
                threading.Event().wait(0.02)
            assert held(connection, tables(connection), pid) == predicted
        running.result(120)
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX IF EXISTS new, item_loose2")
    other.close()


def waits(cursor, pid):
    cursor.execute("SELECT count(*) FROM pg_locks WHERE pid = %s AND NOT granted", [pid])
    return cursor.fetchone()[0]


@pytest.mark.parametrize(
    ("statement", "count"),
    [
        ("ALTER TABLE shop_item ADD COLUMN x int, DROP COLUMN loose", 1),
        ("ALTER TABLE shop_item DROP COLUMN parent_id CASCADE", 2),
        ("SET CONSTRAINTS fk IMMEDIATE; ALTER TABLE shop_item DROP CONSTRAINT fk", 2),
        ("ALTER TABLE shop_item ADD FOREIGN KEY (loose) REFERENCES shop_parent (id)", 2),
        ("DROP TABLE shop_parent CASCADE", 3),
        ("TRUNCATE shop_item, shop_parent", 2),
        ("DROP TABLE no_such_table", 1),
        ("DO $$ BEGIN END $$", 1),
    ],
)
def test_waits_of_one_statement(shop, statement, count):
    """A statement may wait for one table after another; the limit for each is smaller then."""
    connection, _ = shop
    assert count_waits(connection, strong_locks_of(statement)) == count


def test_unknown(shop):
    """Python code cannot be known, and says so; a statement that is not understood counts as the strongest."""
    connection, state = shop
    locks, reason = predict_locks(connection, "shop", migrations.RunPython(print), state, state)
    assert (locks, reason) == (None, "it runs Python code")
    assert [(lock.mode.sql, lock.relation) for lock in locks_of("DO $$ BEGIN END $$")] == [("ACCESS EXCLUSIVE", None)]


@pytest.mark.parametrize(
    ("sql", "modes"),
    [
        ("UPDATE a SET b = '; DROP TABLE c'", ["ROW EXCLUSIVE"]),
        ("-- DROP TABLE a;\nSELECT 1 /* ; DROP TABLE b */", []),
        ('ALTER TABLE "a;b" ADD c int', ["ACCESS EXCLUSIVE"]),
        ("DO $x$ BEGIN EXECUTE 'DROP TABLE y'; END $x$; SELECT 1", ["ACCESS EXCLUSIVE"]),
        ("INSERT INTO a VALUES (E'\\'; DROP TABLE b')", ["ROW EXCLUSIVE"]),
        ("SELECT 1; DROP TABLE a", ["ACCESS EXCLUSIVE"]),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY v", ["EXCLUSIVE"]),
        ("COMMENT ON TABLE a IS 'x'", ["SHARE UPDATE EXCLUSIVE"]),
    ],
)
def test_reading_sql(sql, modes):
    """Strings, comments, quoted names and dollar quotes do not mislead."""
    assert [lock.mode.sql for lock in locks_of(sql)] == modes
