"""Indexes and constraints on a table in use: steps that lock nobody out, each of which may be the last for a while."""

import re

import pytest
from django.db import IntegrityError, models
from warehouse import APP, model, names

from syzygy import Stage

PRE, POST = Stage.PRE_DEPLOY, Stage.POST_DEPLOY
NAME, QTY = models.CharField(max_length=20), models.IntegerField()
OWNER = model("Owner", name=NAME)
TO_OWNER = f"{APP}.Owner"


def check(**condition):
    return models.CheckConstraint(condition=models.Q(**condition), name="check")


def unique(*fields, **more):
    return models.UniqueConstraint(fields=fields, name="unique", **more)


def item(*constraints, indexes=(), together=(), **fields):
    options = {"constraints": list(constraints), "indexes": list(indexes), "unique_together": set(together)}
    return model(options=options, name=NAME, **fields)


def reference(**options):
    return models.ForeignKey(TO_OWNER, models.CASCADE, null=True, **options)


INDEX = models.Index(fields=["qty"], name="index")
CHANGES = {
    "add index": (item(qty=QTY), item(indexes=[INDEX], qty=QTY), PRE),
    "remove index": (item(indexes=[INDEX], qty=QTY), item(qty=QTY), PRE),
    "index a field": (item(qty=QTY), item(qty=models.IntegerField(db_index=True)), PRE),
    "unique field": (item(qty=QTY), item(qty=models.IntegerField(unique=True)), PRE),
    "unique text": (item(code=NAME), item(code=models.CharField(max_length=20, unique=True)), PRE),
    "unique constraint": (item(qty=QTY), item(unique("name", "qty"), qty=QTY), PRE),
    "condition": (item(qty=QTY), item(unique("qty", condition=models.Q(qty__gt=1)), qty=QTY), PRE),
    "deferrable": (item(qty=QTY), item(unique("qty", deferrable=models.Deferrable.DEFERRED), qty=QTY), PRE),
    "nulls alike": (item(qty=QTY), item(unique("qty", nulls_distinct=False), qty=QTY), PRE),
    "covering": (item(qty=QTY), item(unique("name", include=["qty"]), qty=QTY), PRE),
    "unique together": (item(qty=QTY), item(together=[("name", "qty")], qty=QTY), PRE),
    "other fields together": (item(together=[("name", "qty")], qty=QTY), item(together=[("qty", "id")], qty=QTY), PRE),
    "check": (item(qty=QTY), item(check(qty__gt=-1), qty=QTY), PRE),
    "positive": (item(qty=QTY), item(qty=models.PositiveIntegerField()), PRE),
    "foreign key": (item(), item(owner=reference()), PRE),
    "enforced": (item(owner=reference(db_constraint=False)), item(owner=reference()), PRE),
    "one to one": (item(), item(owner=models.OneToOneField(TO_OWNER, models.CASCADE, null=True)), PRE),
    "unique column": (item(), item(qty=models.IntegerField(unique=True, null=True)), PRE),
    "positive column": (item(), item(qty=models.PositiveIntegerField(null=True)), PRE),
    "not null": (item(qty=models.IntegerField(null=True)), item(qty=models.IntegerField(default=7)), POST),
    "not null, unique": (
        item(qty=models.IntegerField(null=True)),
        item(qty=models.IntegerField(unique=True, db_default=7)),
        POST,
    ),
}


@pytest.fixture(params=CHANGES)
def change(request, warehouse):
    """A change on a table with rows, its migrations made."""
    before, after, stage = CHANGES[request.param]
    warehouse.stand(OWNER, before)
    columns = [name for name in ("qty", "code") if name in before.fields]
    warehouse.fill(9, ", ".join(["name", *columns]), ", ".join(["'row' || n"] + ["n"] * len(columns)))
    found = warehouse.detect(OWNER, after)
    assert [(found_stage, atomic) for found_stage, _, atomic in names(found)] == [(stage, False)]
    return warehouse


# A statement that reads the whole table while it keeps others from writing or reading it.
_BLOCKS = re.compile(
    r"CREATE (UNIQUE )?INDEX (?!CONCURRENTLY)|DROP INDEX (?!CONCURRENTLY)"
    r"|ADD CONSTRAINT \S+ (CHECK|FOREIGN KEY|UNIQUE) (?!.*NOT VALID$|USING INDEX)"
    r"|ADD COLUMN .* (UNIQUE|CHECK|REFERENCES)"
)


def test_nobody_is_locked_out(change):
    """No statement reads the table under a lock; the outcome is Django's own schema, and all of it can be reverted."""
    first, statements = change.schema(), []

    def note(execute, sql, params, many, context):
        statements.append(str(sql))
        return execute(sql, params, many, context)

    with change.connection.execute_wrapper(note):
        change.before()
        change.after_it()
    assert [statement for statement in statements if _BLOCKS.search(statement)] == []
    for number, statement in enumerate(statements):
        if statement.endswith("SET NOT NULL"):
            assert any("VALIDATE CONSTRAINT" in earlier for earlier in statements[:number])
    after = change.schema()
    change.revert()
    assert change.schema() == first
    assert after == change.schema_made_at_once()


class Killed(BaseException):
    """The process is gone."""


def interrupted_after(warehouse, count, act):
    """Act, but lose the connection after so many statements; True if that happened."""
    left = [count]

    def wrapper(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        left[0] -= 1
        if left[0] == 0:
            raise Killed
        return result

    try:
        with warehouse.connection.execute_wrapper(wrapper):
            act()
    except Killed:
        warehouse.connection.close()
        return True
    return False


def survives(warehouse, migration):
    """Kill a migration after each of its statements in turn, and start it again."""
    count = 1
    while interrupted_after(warehouse, count, lambda: warehouse.apply_one(migration)):
        count += 1
    return count - 1


def test_killed_after_any_statement(change):
    """Whatever was the last statement, the migration can be run again and comes to the same end."""
    (migration,) = change.migrations
    assert survives(change, migration) > 0
    after = change.schema()
    assert after == change.schema_made_at_once()


def test_renames_killed_after_any_statement(warehouse):
    """The same of both halves of a rename, with an index whose name both columns want."""
    field = models.ForeignKey(TO_OWNER, models.CASCADE)

    def owned(name):
        return item(unique("name", name), indexes=[models.Index(fields=[name], name="index")], **{name: field})

    warehouse.stand(OWNER, owned("owner"))
    warehouse.sql("insert into warehouse_owner (name) values ('a')")
    warehouse.fill(9, "name, owner_id", "'row' || n, 1")
    for migration in warehouse.detect(OWNER, owned("holder")):
        assert survives(warehouse, migration) > 0
    assert warehouse.sql("select count(*) from warehouse_item where holder_id = 1") == [(9,)]
    after = warehouse.schema()
    assert after == warehouse.schema_made_at_once()


def test_a_unique_index_that_cannot_be_built(warehouse):
    """Duplicates are an error that leaves nothing behind; without them the same migration succeeds."""
    warehouse.stand(item(qty=QTY))
    warehouse.fill(2, "name, qty", "'row', 1")
    first = warehouse.schema()
    warehouse.detect(item(unique("qty"), qty=QTY))
    with pytest.raises(IntegrityError):
        warehouse.before()
    assert warehouse.schema() == first
    warehouse.sql("update warehouse_item set qty = id")
    warehouse.before()
    assert "unique" in warehouse.sql.names("warehouse_item")


def test_rows_are_filled_in_portions(warehouse, monkeypatch):
    """NULLs become the default a few rows at a time, before the column is required."""
    monkeypatch.setattr("syzygy.batches.BATCH_SIZE", 2)
    warehouse.stand(item(qty=models.IntegerField(null=True)))
    warehouse.fill(5, "name, qty", "'row', nullif(n, 3)")
    warehouse.detect(item(qty=models.IntegerField(default=7)))
    updates = []

    def note(execute, sql, params, many, context):
        if str(sql).startswith("UPDATE"):
            updates.append(params)
        return execute(sql, params, many, context)

    with warehouse.connection.execute_wrapper(note):
        warehouse.after_it()
    assert len(updates) == 3
    assert warehouse.sql("select qty from warehouse_item order by id") == [(1,), (2,), (7,), (4,), (5,)]


def test_a_migration_for_each(warehouse):
    """What can be one transaction stays together; each online operation has a file of its own, in order."""
    warehouse.stand(OWNER, item(legacy=QTY))
    found = warehouse.detect(
        OWNER, item(check(qty__gt=-1), indexes=[INDEX], qty=models.IntegerField(default=1), owner=reference())
    )
    assert names(found) == [
        (PRE, "0002_set_nullable_item_legacy", True),
        (PRE, "0003_item_owner", False),
        (PRE, "0004_item_qty", True),
        (PRE, "0005_item_index", False),
        (PRE, "0006_item_check", False),
        (POST, "0007_remove_item_legacy_drop_db_default_item_qty", True),
    ]
    warehouse.before()
    warehouse.after_it()
    after = warehouse.schema()
    assert after == warehouse.schema_made_at_once()
