"""What the database puts where the code of the other release puts nothing."""

import uuid

import pytest
from django.db import models
from django.db.models.functions import Now
from warehouse import APP, model, names

from syzygy import Stage

PRE, POST = Stage.PRE_DEPLOY, Stage.POST_DEPLOY
NAME = models.CharField(max_length=20)
OWNER = model("Owner", name=NAME)
OLD = "class Item(models.Model):\n    name = models.CharField(max_length=20)\n"
KEY = "    key = models.UUIDField(default=uuid.uuid4, unique=True)\n"


def run_python(project, code):
    return project.run("shell", "-v0", "-c", code).strip()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            "project",
            ["0002_item_key_set_db_default_item_key", "0003_fill_item_key", "0004_drop_db_default_item_key"],
        ),
        (
            "postgres_project",
            ["0002_item_key", "0003_set_db_default_item_key", "0004_fill_item_key", "0005_drop_db_default_item_key"],
        ),
    ],
)
def test_a_value_for_each_row(kind, expected, request):
    """Rows of before, of old code and of new code each have a key of their own in the end."""
    project = request.getfixturevalue(kind)
    insert = "from shop.models import Item; Item.objects.bulk_create([Item(name=str(n)) for n in range({})])"
    different = "from shop.models import Item; print(len({i.key for i in Item.objects.all()} - {None}))"
    project.models(OLD)
    project.run("makemigrations", "--no-input", "-v0")
    project.run("migrate", "-v0")
    run_python(project, insert.format(1200))
    project.models(OLD + KEY)
    project.run("makemigrations", "--no-input", "-v0")
    assert project.migrations()[1:] == expected
    assert "atomic = False" in project.source(project.migrations()[-2])
    project.run("migrate", "--pre-deploy", "-v0")
    assert run_python(project, different) == "1200"
    project.models(OLD)
    run_python(project, insert.format(3))
    project.models(OLD + KEY)
    run_python(project, insert.format(2))
    project.run("migrate", "-v0")
    assert run_python(project, different) == "1205"
    assert "No changes detected" in project.run("makemigrations", "--check")


PER_ROW = [
    models.UUIDField(default=uuid.uuid4, unique=True),
    models.UUIDField(default=uuid.uuid4),
    models.UUIDField(default=uuid.uuid4, unique=True, null=True),
    models.UUIDField(default=uuid.uuid1, unique=True),
]


@pytest.mark.parametrize("field", PER_ROW, ids=repr)
def test_the_column_is_filled_before_it_is_required(warehouse, field):
    """Each row gets a value of its own, those of old code after the deployment; all of it can be reverted."""
    warehouse.stand(model(name=NAME))
    warehouse.fill(1200)
    first = warehouse.schema()
    warehouse.detect(model(name=NAME, key=field))
    warehouse.before()
    assert warehouse.sql("select count(distinct key) from warehouse_item") == [(1200,)]
    warehouse.fill(3)
    warehouse.after_it()
    assert warehouse.sql("select count(distinct key) from warehouse_item") == [(1203,)]
    after = warehouse.schema()
    warehouse.revert()
    assert warehouse.schema() == first
    assert after == warehouse.schema_made_at_once()


def test_a_clock_in_the_database(warehouse):
    """Rows of old code carry the time they were written at, and the clock goes with the old code."""
    warehouse.stand(model(name=NAME))
    warehouse.fill(1)
    found = warehouse.detect(model(name=NAME, at=models.DateTimeField(auto_now=True)))
    assert isinstance(found[0].operations[0].field.db_default, Now)
    warehouse.before()
    before = warehouse.sql("select clock_timestamp()")[0][0]
    warehouse.fill(1)
    assert warehouse.sql("select count(*) from warehouse_item where at >= %s", before) == [(1,)]
    warehouse.after_it()
    assert warehouse.sql.columns("warehouse_item")["at"][2] is False


def test_a_unique_column_goes(warehouse):
    """New code inserts as many rows as it likes: the column it forgets is NULL in them."""
    warehouse.stand(model(name=NAME, key=models.UUIDField(default=uuid.uuid4, unique=True)))
    found = warehouse.detect(model(name=NAME))
    assert names(found) == [(PRE, "0002_set_nullable_item_key", True), (POST, "0003_remove_item_key", True)]
    warehouse.before()
    warehouse.fill(3)
    warehouse.after_it()


@pytest.mark.parametrize("null", [False, True])
def test_parents_of_a_reference_that_goes(warehouse, null):
    """New code deletes rows that a column refers to which it does not know; backwards the constraint is there again."""
    warehouse.stand(OWNER, model(name=NAME, owner=models.ForeignKey(f"{APP}.Owner", models.CASCADE, null=null)))
    first = warehouse.schema()
    warehouse.sql("insert into warehouse_owner (name) values ('a'), ('b')")
    warehouse.fill(1, "name, owner_id", "'row', 1")
    found = warehouse.detect(OWNER, model(name=NAME))
    action = "release" if null else "set_nullable"
    assert names(found) == [(PRE, f"0002_{action}_item_owner", True), (POST, "0003_remove_item_owner", True)]
    warehouse.before()
    warehouse.sql("delete from warehouse_owner where id = 1")
    warehouse.fill(1)
    warehouse.sql("delete from warehouse_item")
    warehouse.revert()
    assert warehouse.schema() == first
    warehouse.before()
    warehouse.after_it()


def test_parents_of_a_relation_that_goes(warehouse):
    """The table of a many-to-many field keeps no row from being deleted that new code wants to delete."""
    warehouse.stand(OWNER, model(name=NAME, owners=models.ManyToManyField(f"{APP}.Owner")))
    first = warehouse.schema()
    warehouse.sql("insert into warehouse_owner (name) values ('a')")
    warehouse.fill(1)
    warehouse.sql("insert into warehouse_item_owners (item_id, owner_id) values (1, 1)")
    found = warehouse.detect(OWNER, model(name=NAME))
    assert names(found) == [(PRE, "0002_release_item_owners", True), (POST, "0003_remove_item_owners", True)]
    warehouse.before()
    warehouse.sql("delete from warehouse_owner")
    warehouse.sql("delete from warehouse_item_owners")
    warehouse.revert()
    assert warehouse.schema() == first
    warehouse.before()
    warehouse.after_it()


def test_parents_of_a_model_that_goes(warehouse):
    """The table of a deleted model keeps no row from being deleted either."""
    warehouse.stand(OWNER, model(name=NAME, owner=models.ForeignKey(f"{APP}.Owner", models.CASCADE)))
    warehouse.sql("insert into warehouse_owner (name) values ('a')")
    warehouse.fill(1, "name, owner_id", "'row', 1")
    found = warehouse.detect(OWNER)
    assert names(found) == [(PRE, "0002_release_item_owner", True), (POST, "0003_delete_item", True)]
    warehouse.before()
    warehouse.sql("delete from warehouse_owner")
    warehouse.after_it()


def test_generated_columns_are_left_alone(warehouse):
    """A generated column is added by Django's own operation, and works on both sides."""
    twice = models.GeneratedField(expression=models.F("id") * 2, output_field=models.BigIntegerField(), db_persist=True)
    warehouse.stand(model(name=NAME))
    assert names(warehouse.detect(model(name=NAME, twice=twice))) == [(PRE, "0002_item_twice", True)]
    warehouse.before()
    warehouse.fill(1)
    assert warehouse.sql("select twice from warehouse_item") == [(2,)]


def test_a_default_of_the_database_goes(warehouse):
    """Old code, which leaves the column out, is gone before its default goes."""
    warehouse.stand(model(name=NAME, qty=models.IntegerField(db_default=3)))
    found = warehouse.detect(model(name=NAME, qty=models.IntegerField()))
    assert names(found) == [(POST, "0002_alter_item_qty", True)]


REFUSED = [
    (models.IntegerField(), models.BigIntegerField(), "from integer to bigint"),
    (models.IntegerField(), models.CharField(max_length=9), "from integer to varchar(9)"),
    (models.CharField(max_length=9), models.CharField(max_length=5), "from varchar(9) to varchar(5)"),
    (
        models.DecimalField(max_digits=9, decimal_places=2),
        models.DecimalField(max_digits=9, decimal_places=3),
        "numeric",
    ),
]


@pytest.mark.parametrize(("old", "new", "what"), REFUSED, ids=[what for *_, what in REFUSED])
def test_types_that_cannot_change_online(warehouse, old, new, what, capsys):
    """They are refused with the reason and the way around, unless somebody says that it may be done."""
    warehouse.stand(model(qty=old))
    with pytest.raises(SystemExit) as end:
        warehouse.detect(model(qty=new))
    assert end.value.code == 3
    message = capsys.readouterr().err
    assert what in message
    assert "add a field of the new type" in message
    assert "--allow-type-changes" in message
    assert names(warehouse.detect(model(qty=new), allow_type_changes=True)) == [(PRE, "0002_alter_item_qty", True)]
    assert names(warehouse.detect(model(qty=new), ask_type_change=3)) == [(POST, "0002_alter_item_qty", True)]


ALLOWED = [
    (models.CharField(max_length=5), models.CharField(max_length=9)),
    (models.CharField(max_length=5), models.TextField()),
    (models.DecimalField(max_digits=5, decimal_places=2), models.DecimalField(max_digits=9, decimal_places=2)),
]


@pytest.mark.parametrize(("old", "new"), ALLOWED, ids=repr)
def test_types_that_can_change_online(warehouse, old, new):
    """Where PostgreSQL leaves the rows as they are nothing is asked, and it does leave them."""
    warehouse.stand(model(name=NAME, value=old))
    file = "select pg_relation_filenode('warehouse_item')"
    before = warehouse.sql(file)
    assert names(warehouse.detect(model(name=NAME, value=new))) == [(PRE, "0002_alter_item_value", True)]
    warehouse.before()
    assert warehouse.sql(file) == before
