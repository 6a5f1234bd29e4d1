"""Going back over changes that were stacked on one another: what the old code needs comes back before it does."""

import json

from project import connect, postgres_settings
from stacking import CREATE, inspect, stack

ALL = ["0001_initial", "0002_remove", "0003_add", "0004_gone"]


def test_going_back_before_anything_was_destroyed(stacked):
    """After a roll-out that failed there is nothing to do before the old code returns; the rest goes after it."""
    stacked.run("migrate", "--pre-deploy", "-v0")
    output = stacked.run("migrate", "shop", "0001", "--pre-deploy")
    assert "No migrations to apply" in output
    assert output.endswith("after the deployment:\n  Revert shop.0003_add\n  Revert shop.0002_remove\n")
    assert inspect(stacked)[0] == ["a", "b", "c", "id"]
    stacked.run("migrate", "shop", "0001", "-v0")
    assert inspect(stacked) == [["a", "c", "id"], [], ALL[:1]]


def test_going_back_in_two_halves(stacked):
    """What the old code reads is there before it returns, and what the new code reads until that is gone."""
    stacked.run("migrate", "-v0")
    output = stacked.run("migrate", "shop", "0001", "--pre-deploy")
    assert output.index("Unapplying shop.0004_gone") < output.index("Unapplying shop.0002_remove")
    assert "shop.0002_remove (undone; its record is left)\n  Revert shop.0003_add" in output
    assert inspect(stacked) == [["a", "b", "c", "id"], ["syzygy_progress"], ALL[:3]]
    assert "No migrations to apply" in stacked.run("migrate", "shop", "0001", "--pre-deploy")
    stacked.run("migrate", "shop", "0001", "-v0")
    assert inspect(stacked) == [["a", "c", "id"], [], ALL[:1]]


def test_staying_after_all(stacked):
    """Whoever stays with the new code runs migrate without a target: what was undone is done again."""
    stacked.run("migrate", "-v0")
    stacked.run("migrate", "shop", "0001", "--pre-deploy", "-v0")
    stacked.run("migrate", "-v0")
    assert inspect(stacked) == [["b", "id"], [], ALL]


def test_plan_of_going_back(stacked):
    """--plan tells what is undone now and what afterwards; of what never ran there is nothing to undo."""
    stacked.run("migrate", "-v0")
    command = ("migrate", "shop", "0001", "--pre-deploy", "--plan", "--format", "json")

    def planned():
        migrations = json.loads(stacked.run(*command))["migrations"]
        return [(m["name"], m["when"], [o["description"] for o in m["operations"]]) for m in migrations]

    assert planned() == [
        ("0004_gone", "now", ["Undo Remove field c from Item"]),
        ("0002_remove", "now", ["Undo Remove field a from Item"]),
        ("0003_add", "postponed", ["Undo Add field b to Item"]),
    ]
    stacked.run(*command[:-3], "-v0")
    assert planned() == [
        ("0003_add", "postponed", ["Undo Add field b to Item"]),
        ("0002_remove", "postponed", []),
    ]


def test_two_that_are_undone(make_project):
    """Several removals under one addition come back together, and go again in the order in which they were written."""
    project = make_project()
    project.migration("0001_initial", CREATE)
    stack(
        project,
        'migrations.AlterField("Item", "a", models.BigIntegerField(null=True)), '
        'migrations.RenameField("Item", "a", "z")',
        'migrations.RemoveField("Item", "z")',
        'migrations.RemoveField("Item", "c")',
        'migrations.AddField("Item", "b", models.IntegerField(null=True))',
    )
    project.run("migrate", "-v0")
    project.run("migrate", "shop", "0002", "--pre-deploy", "-v0")
    assert inspect(project)[0] == ["b", "c", "id", "z"]
    output = project.run("migrate")
    assert output.index("Applying shop.0003_part") < output.index("Applying shop.0004_part")
    assert inspect(project)[0] == ["b", "id"]
    project.run("migrate", "shop", "0002", "--pre-deploy", "-v0")
    project.run("migrate", "shop", "0002", "-v0")
    assert inspect(project) == [["c", "id", "z"], [], ["0001_initial", "0002_part"]]


def test_going_back_over_a_rename(make_project, postgres_database):
    """The old name comes back beside the new one, as wide as the new one has become, and both hold the same."""
    project = make_project(postgres_settings(postgres_database))
    project.migration("0001_initial", CREATE)
    stack(
        project,
        'syzygy.operations.ExpandRenameField("Item", "a", "d")',
        'syzygy.operations.ContractRenameField("Item", "a", "d")',
        'migrations.AlterField("Item", "d", models.BigIntegerField(null=True))',
    )
    project.run("migrate", "-v0")
    with connect(project) as connection:
        connection.execute("insert into shop_item (d, c) values (5000000000, 1)")
    project.run("migrate", "shop", "0001", "--pre-deploy", "-v0")
    with connect(project) as connection:
        connection.execute("insert into shop_item (a, c) values (6000000000, 1)")
        rows = connection.execute("select a, d from shop_item order by id").fetchall()
        assert rows == [(5000000000, 5000000000), (6000000000, 6000000000)]
        connection.execute("delete from shop_item where a > 5")
    project.run("migrate", "shop", "0001", "-v0")
    assert inspect(project) == [["a", "c", "id"], [], ["0001_initial"]]
    with connect(project) as connection:
        types = connection.execute("select atttypid::regtype::text from pg_attribute where attname = 'a'").fetchall()
        assert types == [("integer",)]


def test_going_back_over_two_names_of_a_table(make_project, postgres_database):
    """Both earlier names of a table come back beside the last one, and go again or stay, whichever way it goes on."""
    project = make_project(postgres_settings(postgres_database))
    project.migration("0001_initial", CREATE)
    stack(
        project,
        'syzygy.operations.ExpandRenameModel("Item", "Thing")',
        'syzygy.operations.ContractRenameModel("Item", "Thing")',
        'migrations.AddField("Thing", "b", models.IntegerField(null=True))',
        'syzygy.operations.ExpandRenameModel("Thing", "Object")',
        'syzygy.operations.ContractRenameModel("Thing", "Object")',
    )
    kinds = "select relname::text, relkind::text from pg_class where relname ~ '^shop_[a-z]+$' order by 1"
    project.run("migrate", "-v0")
    for target, kept in ((), "object"), (("shop", "0001"), "item"):
        project.run("migrate", "shop", "0001", "--pre-deploy", "-v0")
        with connect(project) as connection:
            found = connection.execute(kinds).fetchall()
            assert found == [("shop_item", "v"), ("shop_object", "r"), ("shop_thing", "v")]
            connection.execute("insert into shop_item (a, c) values (1, 2)")
            connection.execute("insert into shop_thing (a, c) values (3, 4)")
        project.run("migrate", *target, "-v0")
        with connect(project) as connection:
            assert connection.execute(kinds).fetchall() == [(f"shop_{kept}", "r")]
    with connect(project) as connection:
        assert connection.execute("select a, c from shop_item order by id").fetchall() == [(1, 2), (3, 4)] * 2
    assert inspect(project) == [["a", "c", "id"], [], ["0001_initial"]]


def test_code_that_nobody_can_see_through(stacked):
    """What code did may be what the rest is built on: its revert is refused, in words that say how to go back."""
    body = "stage = Stage.POST_DEPLOY"
    stacked.migration("0005_clean", 'migrations.RunSQL("SELECT 1", "SELECT 1")', ["0004_gone"], body=body)
    stacked.migration("0006_add", 'migrations.AddField("Item", "d", models.IntegerField(null=True))', ["0005_clean"])
    stacked.run("migrate", "-v0")
    output = stacked.run("migrate", "shop", "0004", "--pre-deploy", status=1)
    assert "shop.0005_clean is defined to be reverted before it" in output
    assert "Otherwise revert in steps: first only shop.0006_add, in a deployment of its own." in output
    assert "No migrations to apply" in stacked.run("migrate")


def test_forgetting_to_undo(stacked):
    """--fake takes notes as if it had undone what is removed, and leaves the schema alone."""
    stacked.run("migrate", "-v0")
    stacked.run("migrate", "shop", "0001", "--pre-deploy", "--fake", "-v0")
    assert inspect(stacked) == [["b", "id"], ["syzygy_progress"], ALL[:3]]
    stacked.run("migrate", "shop", "0001", "--fake", "-v0")
    assert inspect(stacked) == [["b", "id"], [], ALL[:1]]
