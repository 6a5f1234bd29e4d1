"""Changes stacked on one another deploy together: what destroys waits, what was built on top of it does not."""

import json

import pytest
from project import connect, postgres_settings
from stacking import CREATE, inspect, stack


def test_both_halves(stacked):
    """Before the deployment the new column comes and the old one stays; after it the old one goes, and no trace stays."""
    output = stacked.run("migrate", "--pre-deploy")
    assert "shop.0002_remove (recorded; its operations wait)" in output
    assert inspect(stacked) == [
        ["a", "b", "c", "id"],
        ["syzygy_progress"],
        ["0001_initial", "0002_remove", "0003_add"],
    ]
    output = stacked.run("migrate")
    assert output.index("Applying shop.0002_remove... OK") < output.index("Applying shop.0004_gone... OK")
    assert inspect(stacked) == [["b", "id"], [], ["0001_initial", "0002_remove", "0003_add", "0004_gone"]]
    assert "No migrations to apply" in stacked.run("migrate")


def test_pre_deployment_twice(stacked):
    """A second run before the deployment has nothing to do, and does not take what waits for a forgotten change."""
    stacked.models("class Item(models.Model):\n    b = models.IntegerField(null=True)\n")
    stacked.run("migrate", "--pre-deploy", "-v0")
    output = stacked.run("migrate", "--pre-deploy")
    assert "No migrations to apply" in output
    assert "not yet reflected" not in output
    assert "No changes detected" in stacked.run("makemigrations", "--check")


def test_plan_of_both_halves(stacked):
    """--plan says what is only recorded and what waits; afterwards the operations that wait are part of the plan."""
    plan = json.loads(stacked.run("migrate", "--pre-deploy", "--plan", "--format", "json"))
    assert [(m["name"], m["when"]) for m in plan["migrations"]] == [
        ("0002_remove", "recorded"),
        ("0003_add", "now"),
        ("0004_gone", "postponed"),
    ]
    stacked.run("migrate", "--pre-deploy", "-v0")
    plan = json.loads(stacked.run("migrate", "--check", "--format", "json", status=1))
    assert [m["name"] for m in plan["migrations"]] == ["0002_remove", "0004_gone"]
    assert [o["description"] for o in plan["migrations"][0]["operations"]] == ["Remove field a from Item"]


def test_next_release_before_the_second_half(stacked):
    """The next release's first half may run while an earlier release's second half still waits."""
    stacked.run("migrate", "--pre-deploy", "-v0")
    stacked.migration("0005_more", 'migrations.AddField("Item", "d", models.IntegerField(null=True))', ["0004_gone"])
    stacked.run("migrate", "--pre-deploy", "-v0")
    assert inspect(stacked)[0] == ["a", "b", "c", "d", "id"]
    stacked.migration("0006_back", 'migrations.AddField("Item", "a", models.TextField(null=True))', ["0005_more"])
    assert "shop.0006_back is inferred to be applied before" in stacked.run("migrate", "--pre-deploy", status=1)
    stacked.run("migrate", "-v0")
    assert inspect(stacked)[:2] == [["a", "b", "d", "id"], []]


def test_reverting_what_never_ran(stacked):
    """A migration whose operations still wait is reverted by forgetting it; its column was there all the time."""
    stacked.run("migrate", "--pre-deploy", "-v0")
    stacked.run("migrate", "shop", "0001")
    assert inspect(stacked) == [["a", "c", "id"], [], ["0001_initial"]]
    stacked.run("migrate")
    assert inspect(stacked)[0] == ["b", "id"]


def test_faking_what_waits(stacked):
    """--fake forgets operations that wait without running them."""
    stacked.run("migrate", "--pre-deploy", "-v0")
    stacked.run("migrate", "--fake", "-v0")
    assert inspect(stacked)[:2] == [["a", "b", "c", "id"], []]


def test_file_that_is_gone(stacked):
    """While operations wait their file is needed, and the error says so."""
    stacked.run("migrate", "--pre-deploy", "-v0")
    (stacked.folder / "shop/migrations/0003_add.py").unlink()
    (stacked.folder / "shop/migrations/0004_gone.py").unlink()
    (stacked.folder / "shop/migrations/0002_remove.py").unlink()
    output = stacked.run("migrate", status=1)
    assert output.startswith("CommandError: shop.0002_remove is recorded as applied, but its operations were put off")


def test_post_deployment_only(stacked):
    """--post-deploy leaves what belongs before a deployment, and what is built on it, and says so."""
    output = stacked.run("migrate", "--post-deploy")
    assert "Applying shop.0002_remove" in output
    assert output.endswith("Left alone, for before a deployment:\n  shop.0003_add\n  shop.0004_gone\n")
    assert inspect(stacked)[0] == ["c", "id"]
    assert "either --pre-deploy or" in stacked.run(
        "shell",
        "-v0",
        "-c",
        "from django.core.management import call_command as c; c('migrate', stage='pre_deploy', post_only=True)",
        status=1,
    )


def test_code_on_top_of_a_removal(stacked):
    """Code that was written for a schema without the column runs while the column is still there."""
    stacked.migration(
        "0005_code",
        "migrations.RunPython(fill, migrations.RunPython.noop)",
        ["0004_gone"],
        prelude="def fill(apps, schema_editor):\n    apps.get_model('shop', 'Item').objects.create(b=1)\n",
    )
    stacked.run("migrate", "--pre-deploy", "-v0")
    stacked.run("migrate", "-v0")
    assert inspect(stacked)[:2] == [["b", "id"], []]


def test_code_that_waits(stacked):
    """Of code that waits nobody knows what depends on it: it is not overtaken."""
    body = "stage = Stage.POST_DEPLOY"
    stacked.migration("0005_clean", 'migrations.RunSQL("SELECT 1", "SELECT 1")', ["0004_gone"], body=body)
    stacked.migration("0006_add", 'migrations.AddField("Item", "d", models.IntegerField(null=True))', ["0005_clean"])
    assert "depends on shop.0005_clean and is defined to wait" in stacked.run("migrate", "--pre-deploy", status=1)


TAKEN = {
    "Column a of table shop_item": (
        'migrations.RemoveField("Item", "a")',
        'migrations.AddField("Item", "b", models.IntegerField(null=True, db_column="a"))',
    ),
    "Column c of table shop_item": (
        'migrations.RemoveField("Item", "c")',
        'migrations.RenameField("Item", "a", "c")',
    ),
    "Table shop_item": (
        'migrations.DeleteModel("Item")',
        """migrations.CreateModel("Thing", [("id", models.BigAutoField(primary_key=True))], {"db_table": "shop_item"})""",
    ),
}


@pytest.mark.parametrize("name", TAKEN)
def test_a_name_in_the_database_that_is_in_use(project, name):
    """A column or table that is still there is not made again: the refusal names it, and later all goes well."""
    project.migration("0001_initial", CREATE)
    project.run("migrate", "-v0")
    stack(project, *TAKEN[name])
    output = project.run("migrate", "--pre-deploy", status=1)
    assert "it depends on shop.0002_part" in output
    assert f"{name} is there until after the deployment, so nothing else can have its name before" in output
    project.run("migrate", "-v0")
    assert inspect(project)[2] == ["0001_initial", "0002_part", "0003_part"]


def test_what_waits_is_half_done(renamed):
    """Once what waits has been begun, it is finished first: neither overtaken nor taken for what never ran."""
    body = "atomic = False"
    removals = 'migrations.RemoveField("Item", "a"), migrations.RemoveField("Item", "c")'
    renamed.migration("0002_gone", removals, ["0001_initial"], body=body)
    renamed.migration("0003_add", 'migrations.AddField("Item", "b", models.IntegerField(null=True))', ["0002_gone"])
    renamed.run("migrate", "--pre-deploy", "-v0")
    with connect(renamed) as connection:
        connection.execute("alter table shop_item rename c to hidden")
    assert 'column "c"' in renamed.run("migrate", status=1)
    renamed.migration("0004_rename", 'migrations.RenameModel("Item", "Thing")', ["0003_add"])
    for arguments in (["--pre-deploy"], ["shop", "0001"]):
        output = renamed.run("migrate", *arguments, status=1)
        assert output.startswith("CommandError: The operations of shop.0002_gone")
        assert "run migrate --post-deploy" in output
    with connect(renamed) as connection:
        connection.execute("alter table shop_item rename hidden to c")
    renamed.run("migrate", "--post-deploy")
    renamed.run("migrate", "--pre-deploy")
    with connect(renamed) as connection:
        connection.execute("select id, b from shop_thing")


@pytest.fixture
def renamed(make_project, postgres_database):
    """A table of one row on PostgreSQL, and the files of releases that are deployed together."""
    project = make_project(postgres_settings(postgres_database))
    project.migration("0001_initial", CREATE.replace('"c", models.Integer', '"c", models.SmallInteger'))
    project.run("migrate", "-v0")
    with connect(project) as connection:
        connection.execute("insert into shop_item (a, c) values (1, 1)")
    return project


def test_a_field_is_renamed_twice(renamed):
    """Code that knows any of the three names reads and writes the same values; in the end the last one is left."""
    stack(
        renamed,
        'syzygy.operations.ExpandRenameField("Item", "a", "b")',
        'syzygy.operations.ContractRenameField("Item", "a", "b")',
        'syzygy.operations.ExpandRenameField("Item", "b", "d")',
        'syzygy.operations.ContractRenameField("Item", "b", "d")',
    )
    renamed.run("migrate", "--pre-deploy", "-v0")
    with connect(renamed) as connection:
        rows = "select a, b, d from shop_item where id = %s"
        for number, (written, name) in enumerate([(5, "a"), (6, "b"), (7, "d")], 2):
            connection.execute(f"insert into shop_item ({name}, c) values ({written}, 1)")
            assert connection.execute(rows, [number]).fetchone() == (written,) * 3
            connection.execute(f"update shop_item set {name} = {written + 10} where id = 1")
            assert connection.execute(rows, [1]).fetchone() == (written + 10,) * 3
    renamed.run("migrate", "-v0")
    assert inspect(renamed)[:2] == [["c", "d", "id"], []]
    with connect(renamed) as connection:
        assert connection.execute("select d from shop_item order by id").fetchall() == [(17,), (5,), (6,), (7,)]
        assert connection.execute("select count(*) from pg_proc where proname like 'syzygy%'").fetchone() == (0,)


def test_a_renamed_field_is_altered(renamed):
    """What the new code may write by then is no error in the column that the old code reads; the default comes along."""
    stack(
        renamed,
        'syzygy.operations.ExpandRenameField("Item", "c", "d")',
        'syzygy.operations.ContractRenameField("Item", "c", "d")',
        'migrations.AlterField("Item", "d", models.BigIntegerField(null=True, db_default=9))',
    )
    renamed.run("migrate", "--pre-deploy", "-v0")
    with connect(renamed) as connection:
        connection.execute("insert into shop_item (d) values (5000000000), (null), (default)")
        connection.execute("insert into shop_item (c) values (3)")
        assert connection.execute("select c, d from shop_item order by id").fetchall() == [
            (1, 1),
            (5000000000, 5000000000),
            (9, 9),
            (9, 9),
            (3, 3),
        ]
    renamed.run("migrate", "-v0")
    with connect(renamed) as connection:
        assert connection.execute("insert into shop_item default values returning d").fetchone() == (9,)


def test_a_model_is_renamed_whose_fields_go_and_change(renamed):
    """The old name of the table shows its columns for as long as they are there, whatever becomes of their types."""
    stack(
        renamed,
        'migrations.RemoveField("Item", "a")',
        'syzygy.operations.ExpandRenameModel("Item", "Thing")',
        'syzygy.operations.ContractRenameModel("Item", "Thing")',
        'migrations.AlterField("Thing", "c", models.BigIntegerField(default=1))',
    )
    renamed.run("migrate", "--pre-deploy", "-v0")
    with connect(renamed) as connection:
        connection.execute("insert into shop_item (a, c) values (2, 5000000000)")
        assert connection.execute("select a, c from shop_thing order by id").fetchall() == [(1, 1), (2, 5000000000)]
    renamed.run("migrate", "-v0")
    with connect(renamed) as connection:
        assert connection.execute("select * from shop_thing order by id").fetchall() == [(1, 1), (2, 5000000000)]
        assert connection.execute("select to_regclass('shop_item')").fetchone() == (None,)


def test_alterations_of_one_field(renamed):
    """Each side of the deployment makes the changes that it was written for, and no more."""
    stack(
        renamed,
        'syzygy.operations.AlterField("Item", "a", models.IntegerField(default=4), stage=Stage.POST_DEPLOY)',
        'migrations.AlterField("Item", "a", models.BigIntegerField(default=4, db_default=4))',
    )
    renamed.run("migrate", "--pre-deploy", "-v0")
    describe = "select data_type, is_nullable, column_default from information_schema.columns where column_name = 'a'"
    with connect(renamed) as connection:
        assert connection.execute(describe).fetchone() == ("bigint", "YES", "4")
        connection.execute("insert into shop_item (a, c) values (null, 1)")
    renamed.run("migrate", "-v0")
    with connect(renamed) as connection:
        assert connection.execute(describe).fetchone() == ("bigint", "NO", "4")
        assert connection.execute("select a from shop_item order by id").fetchall() == [(1,), (4,)]
