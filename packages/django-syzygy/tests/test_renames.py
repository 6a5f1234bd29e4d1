"""Renames that both releases survive: two names for one thing, from before the deployment until after it."""

import pytest
from django.db import models
from django.db.models.functions import Lower
from warehouse import APP, detect, model, names

from syzygy import Stage

PRE, POST = Stage.PRE_DEPLOY, Stage.POST_DEPLOY
NAME = models.CharField(max_length=9)


def options(field):
    return {
        "indexes": [models.Index(fields=["-" + field, "name"], name="item_index")],
        "constraints": [
            models.CheckConstraint(
                condition=models.Q(name="x") | ~models.Q(**{f"{field}__isnull": True}), name="check"
            ),
            models.UniqueConstraint(
                fields=[field, "name"], name="unique", condition=models.Q(**{f"{field}__isnull": False})
            ),
            models.UniqueConstraint(Lower("name"), models.F(field), name="lower"),
        ],
        "unique_together": {("name", field)},
    }


FIELDS = [
    (models.IntegerField(), "5", "6"),
    (models.IntegerField(null=True), "5", "6"),
    (models.IntegerField(unique=True), "5", "6"),
    (models.PositiveIntegerField(db_index=True, default=3), "5", "6"),
    (models.IntegerField(db_default=3), "5", "6"),
    (models.CharField(max_length=20, unique=True, db_comment="what it is"), "'a'", "'b'"),
    (models.CharField(max_length=20, db_collation="C"), "'a'", "'b'"),
    (models.JSONField(), """'{"a": 1}'""", """'{"a": 2}'"""),
    (models.DecimalField(max_digits=9, decimal_places=2), "1.10", "1.2"),
]
IDS = [f"{type(field).__name__} {field.deconstruct()[3]}" for field, *_ in FIELDS]


@pytest.mark.parametrize(("field", "one", "other"), FIELDS, ids=IDS)
def test_both_names_of_a_column(warehouse, field, one, other):
    """Old and new code insert and update by their own name, and each finds what the other wrote."""
    sql = warehouse.sql
    equal = "price is not distinct from cost"
    warehouse.stand(model(name=NAME, price=field))
    warehouse.fill(1, "name, price", f"'row', {one}")
    found = warehouse.detect(model(name=NAME, cost=field))
    assert names(found) == [(PRE, "0002_rename_price_item_cost", False), (POST, "0003_drop_item_price", False)]
    warehouse.before()
    for change in (f"cost = {other}", "name = 'x'", f"price = {one}", f"cost = {one}, name = 'y'"):
        sql(f"update warehouse_item set {change}")
        value = change.split(", ")[0].split(" = ")[1] if "=" in change and change[0] in "cp" else other
        assert sql(f"select {equal}, cost = {value} from warehouse_item") == [(True, True)]
    sql("delete from warehouse_item")
    sql(f"insert into warehouse_item (name, price) values ('old', {one})")
    sql(f"insert into warehouse_item (name, cost) values ('new', {other})")
    assert sql(f"select price = {one} from warehouse_item where {equal} order by id") == [(True,), (False,)]
    warehouse.after_it()
    assert sql(f"select name from warehouse_item where cost = {other}") == [("new",)]
    assert sql("select count(*) from pg_trigger where not tgisinternal") == [(0,)]
    assert sql("select count(*) from pg_proc where proname like 'syzygy%'") == [(0,)]


@pytest.mark.parametrize("field", [field for field, *_ in FIELDS], ids=IDS)
def test_the_schema_after_a_rename(warehouse, field):
    """Type, nullability, default, constraints and indexes are those of the new models; backwards, of the old ones."""
    warehouse.stand(model(options=options("price"), name=NAME, price=field))
    first = warehouse.schema()
    warehouse.detect(model(options=options("cost"), name=NAME, cost=field))
    assert len(warehouse.migrations) == 2
    warehouse.before()
    warehouse.revert()
    assert warehouse.schema() == first
    warehouse.before()
    warehouse.after_it()
    after = warehouse.schema()
    warehouse.revert(POST)
    both = set(warehouse.sql.columns("warehouse_item"))
    assert {"price", "cost"} <= both
    warehouse.revert()
    assert warehouse.schema() == first
    assert {"item_index", "check", "unique", "lower"} <= warehouse.sql.names("warehouse_item")
    assert not any(name.startswith("syzygy") for name in warehouse.sql.names("warehouse_item"))
    assert after == warehouse.schema_made_at_once()


# Nine letters of two bytes each: PostgreSQL cuts names at 63 bytes, Django at as many characters.
CYRILLIC = "\u0440\u0435\u0433\u0438\u0441\u0442\u0440\u044b_"


@pytest.mark.parametrize(
    ("table", "old", "new"),
    [
        ("it's the Shelf", "price", "cost"),
        ('aside"."shelf', "price", "cost"),
        (CYRILLIC * 5, f"a_{CYRILLIC * 5}", f"b_{CYRILLIC * 5}"),
    ],
    ids=["quote", "schema", "long"],
)
def test_names_that_need_care(warehouse, table, old, new):
    """Tables in other schemas, and names that PostgreSQL cuts, are found again at each step."""
    sql, field = warehouse.sql, models.PositiveIntegerField(default=3)
    sql("create schema aside")

    def shelf(column):
        return model("Shelf", name=NAME, **{column: field}, options={"db_table": table})

    def columns():
        named = "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped"
        return {name for (name,) in sql(named, f'"{table}"')} - {"id", "name"}

    def cut(*column_names):
        return {name.encode()[:63].decode(errors="ignore") for name in column_names}

    warehouse.stand(shelf(old))
    sql(f"""insert into "{table}" ("name", "{old}") values ('row', 5)""")
    warehouse.detect(shelf(new))
    warehouse.before()
    assert columns() == cut(old, new)
    warehouse.revert()
    assert columns() == cut(old)
    warehouse.before()
    warehouse.after_it()
    assert columns() == cut(new)
    warehouse.revert(POST)
    assert columns() == cut(old, new)
    assert sql(f'select "{old}", "{new}" from "{table}"') == [(5, 5)]


def test_a_foreign_key_gets_another_name(warehouse):
    """Its column, constraint and index come along, and the constraint is enforced for either name."""
    owner = model("Owner", name=NAME)
    field = models.ForeignKey(f"{APP}.Owner", models.CASCADE)
    warehouse.stand(owner, model(name=NAME, owner=field))
    warehouse.sql("insert into warehouse_owner (name) values ('a'), ('b')")
    warehouse.fill(3, "name, owner_id", "'row', 1")
    warehouse.detect(owner, model(name=NAME, holder=field))
    warehouse.before()
    warehouse.sql("update warehouse_item set holder_id = 2")
    assert warehouse.sql("select distinct owner_id from warehouse_item") == [(2,)]
    warehouse.after_it()
    after = warehouse.schema()
    assert after == warehouse.schema_made_at_once()


def test_a_many_to_many_field_gets_another_name(warehouse):
    """Its table is renamed, and a view takes the rows of old code."""
    tag = model("Tag", name=NAME)
    field = models.ManyToManyField(f"{APP}.Tag")
    warehouse.stand(tag, model(name=NAME, tags=field))
    warehouse.sql("insert into warehouse_tag (name) values ('a'), ('b')")
    warehouse.fill(1, "name", "'row'")
    first = warehouse.schema()
    warehouse.detect(tag, model(name=NAME, labels=field))
    warehouse.before()
    warehouse.sql("insert into warehouse_item_tags (item_id, tag_id) values (1, 1)")
    warehouse.sql("insert into warehouse_item_labels (item_id, tag_id) values (1, 2)")
    assert warehouse.sql("select tag_id from warehouse_item_tags order by 1") == [(1,), (2,)]
    warehouse.after_it()
    after = warehouse.schema()
    warehouse.revert(POST)
    assert warehouse.sql("select count(*) from warehouse_item_tags") == [(2,)]
    warehouse.revert()
    assert warehouse.schema() == first
    assert after == warehouse.schema_made_at_once()


def gadgets(name):
    me = f"{APP}.{name}"
    return (
        model("Tag", name=NAME),
        model(name, name=NAME, tags=models.ManyToManyField(f"{APP}.Tag"), likes=models.ManyToManyField(me)),
        model(
            "Shop", name=NAME, stock=models.ManyToManyField(me), best=models.ForeignKey(me, models.CASCADE, null=True)
        ),
    )


def test_a_model_gets_another_name(warehouse):
    """Both names of its tables, and of columns named after it, are read and written; the rest stays as it is."""
    sql = warehouse.sql
    warehouse.stand(*gadgets("Gadget"))
    sql("insert into warehouse_tag (name) values ('t')")
    sql("insert into warehouse_gadget (name) values ('g1')")
    sql("insert into warehouse_shop (name, best_id) values ('s', 1)")
    sql("insert into warehouse_shop_stock (shop_id, gadget_id) values (1, 1)")
    first = warehouse.schema()
    found = warehouse.detect(*gadgets("Gizmo"))
    assert names(found) == [(PRE, "0002_rename_gadget_gizmo", False), (POST, "0003_drop_gadget_view", False)]
    warehouse.before()
    sql("insert into warehouse_gadget (name) values ('old')")
    assert sql("insert into warehouse_gizmo (name) values ('new') returning id") == [(3,)]
    assert sql("insert into warehouse_gadget (name) values ('x') returning id") == [(4,)]
    sql("update warehouse_gadget set name = 'y' where id = 3")
    sql("delete from warehouse_gadget where id = 4")
    assert sql("select name from warehouse_gizmo order by id") == [("g1",), ("old",), ("y",)]
    assert sql("select name from warehouse_gadget where id = 3 for update") == [("y",)]
    sql("insert into warehouse_gadget_tags (gadget_id, tag_id) values (1, 1)")
    sql("insert into warehouse_gizmo_tags (gizmo_id, tag_id) values (2, 1)")
    assert sql("select count(*) from warehouse_gadget_tags") == [(2,)]
    sql("insert into warehouse_gadget_likes (from_gadget_id, to_gadget_id) values (1, 2)")
    assert sql("select from_gizmo_id, to_gizmo_id from warehouse_gizmo_likes") == [(1, 2)]
    sql("insert into warehouse_shop_stock (shop_id, gadget_id) values (1, 2)")
    sql("insert into warehouse_shop_stock (shop_id, gizmo_id) values (1, 3)")
    assert sql("select gadget_id, gizmo_id from warehouse_shop_stock order by 1") == [(1, 1), (2, 2), (3, 3)]
    warehouse.after_it()
    assert sql("select to_regclass('warehouse_gadget')") == [(None,)]
    after = warehouse.schema()
    warehouse.revert(POST)
    assert sql("select count(*) from warehouse_gadget") == [(3,)]
    warehouse.revert()
    assert warehouse.schema() == first
    assert after == warehouse.schema_made_at_once()


def test_rights_come_along(warehouse):
    """A role that may write to a table may do so by either name, and policies still hold."""
    sql = warehouse.sql
    warehouse.stand(model("Gadget", name=NAME))
    sql("drop role if exists syzygy_tests")
    sql("create role syzygy_tests")
    try:
        sql("grant select, insert on warehouse_gadget to syzygy_tests")
        sql("alter table warehouse_gadget enable row level security")
        sql("create policy own on warehouse_gadget using (name <> 'hidden') with check (true)")
        sql("insert into warehouse_gadget (name) values ('hidden'), ('seen')")
        warehouse.detect(model("Gizmo", name=NAME))
        warehouse.before()
        sql("set role syzygy_tests")
        for table in ("warehouse_gadget", "warehouse_gizmo"):
            sql(f"insert into {table} (name) values ('seen')")
            assert ("hidden",) not in sql(f"select name from {table}")
        sql("reset role")
        warehouse.after_it()
    finally:
        sql("reset role")
        sql("drop owned by syzygy_tests")
        sql("drop role syzygy_tests")


INELIGIBLE = [
    ({"price": models.IntegerField(primary_key=True)}, "primary key"),
    ({"price": models.IntegerField(null=True, db_default=3)}, "cannot be told from NULL"),
    (
        {
            "price": models.IntegerField(),
            "twice": models.GeneratedField(
                expression=models.F("price") * 2, output_field=models.IntegerField(), db_persist=True
            ),
        },
        "generated column",
    ),
    (
        {
            "price": models.IntegerField(unique=True),
            "parent": models.ForeignKey(f"{APP}.Item", models.CASCADE, to_field="price"),
        },
        "foreign key of another table",
    ),
]


@pytest.mark.parametrize(("fields", "reason"), INELIGIBLE, ids=[reason for _, reason in INELIGIBLE])
def test_what_cannot_have_two_names(fields, reason, capsys):
    """Without somebody to ask the command quits, and says why both names cannot be kept in step."""
    from django.db.migrations.state import ModelState

    key = [] if fields["price"].primary_key else [("id", models.BigAutoField(primary_key=True))]
    renamed = {"cost" if name == "price" else name: field.clone() for name, field in fields.items()}
    if "twice" in renamed:
        renamed["twice"] = fields["twice"].clone()
    with pytest.raises(SystemExit) as end:
        detect(
            [ModelState(APP, "Item", [*key, *fields.items()])],
            [ModelState(APP, "Item", [*key, *((n, f) for n, f in renamed.items() if n != "parent")])]
            if "parent" not in renamed
            else [ModelState(APP, "Item", [*key, *renamed.items()])],
        )
    assert end.value.code == 3
    assert reason in capsys.readouterr().err
