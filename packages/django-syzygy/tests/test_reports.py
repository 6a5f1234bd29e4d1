"""What `migrate --plan` and `showmigrations` say, to people and to programs."""

import json

import pytest
from project import connect, postgres_settings

CREATE = (
    'migrations.CreateModel("Item", fields=[("id", models.BigAutoField(primary_key=True)), '
    '("a", models.IntegerField(null=True))])'
)


@pytest.fixture
def shop(make_project, postgres_database):
    """Two migrations before a deployment and one after it, on a table with rows."""
    made = make_project(postgres_settings(postgres_database))
    made.migration("0001_initial", CREATE)
    made.run("migrate", "-v0")
    with connect(made) as connection:
        connection.execute("INSERT INTO shop_item (a) SELECT generate_series(1, 1000)")
        connection.execute("ANALYZE shop_item")
    index = 'migrations.AddIndex("Item", models.Index(fields=["b"], name="b"))'
    made.migration("0002_add", 'migrations.AddField("Item", "b", models.IntegerField(null=True))', ["0001_initial"])
    made.migration("0003_index", f"{index}, migrations.RunPython(print, print)", ["0002_add"])
    made.migration("0004_gone", 'migrations.RemoveField("Item", "a")', ["0003_index"])
    return made


def test_plan(shop):
    """--plan names the stage, each lock with what it blocks and the size of the table, and what is postponed."""
    output = shop.run("migrate", "--pre-deploy", "--plan")
    now, _, postponed = output.partition("Postponed until after the deployment:\n")
    assert "shop.0002_add\n    Stage: before the deployment\n    Add field b to Item\n" in now
    assert "        ACCESS EXCLUSIVE on shop_item (" in now
    assert "kB, about 1,000 rows): blocks reads and writes\n" in now
    assert "        SHARE on shop_item (" in now and "blocks writes\n" in now
    assert "Locks unknown: it runs Python code" in now
    assert "  shop.0004_gone\n      Stage: after the deployment\n      Remove field a from Item\n" in postponed


def test_plan_for_programs(shop):
    """The same as JSON; nothing but JSON is printed, also with --check, which exits with 1 if there is something to do."""
    plan = json.loads(shop.run("migrate", "--pre-deploy", "--check", "--format", "json", status=1))
    assert (plan["database"], plan["stage"]) == ("default", "pre_deploy")
    add, index, gone = plan["migrations"]
    assert (add["app"], add["name"], add["stage"], add["when"], add["backwards"], add["atomic"]) == (
        *("shop", "0002_add", "pre_deploy", "now"),
        *(False, True),
    )
    (lock,) = add["operations"][0]["locks"]
    size = lock.pop("bytes")
    assert lock == {"table": "shop_item", "mode": "ACCESS EXCLUSIVE", "blocks": "reads and writes", "rows": 1000}
    assert size >= 8192
    assert index["operations"][1]["locks"] is None
    assert (gone["stage"], gone["when"]) == ("post_deployment", "postponed")
    shop.run("migrate", "-v0")
    assert json.loads(shop.run("migrate", "--check", "--format", "json"))["migrations"] == []


def test_plan_of_a_revert(shop):
    """The plan of a revert shows what the revert locks."""
    shop.run("migrate", "-v0")
    output = shop.run("migrate", "shop", "0003", "--plan")
    assert (
        "shop.0004_gone\n    Stage: after the deployment\n    Undo Remove field a from Item\n        ACCESS EXCLUSIVE"
        in output
    )


def test_json_needs_a_plan(shop):
    """A run that applies migrations refuses --format json."""
    assert "use it with --plan or --check" in shop.run("migrate", "--format", "json", status=1)


def test_showmigrations(shop):
    """showmigrations says when each migration that is not applied runs."""
    output = shop.run("showmigrations")
    assert " [X] 0001_initial\n [ ] 0002_add (before the deployment)\n" in output
    assert " [ ] 0004_gone (after the deployment)\n" in output
    assert "[ ]  shop.0004_gone (after the deployment)\n" in shop.run("showmigrations", "--plan")


def test_showmigrations_for_programs(shop):
    """As JSON it gives stages and states in the order in which they run, also of what is recorded and still waits."""
    shop.migration("0005_more", 'migrations.AddField("Item", "c", models.IntegerField(null=True))', ["0004_gone"])
    shop.run("migrate", "--pre-deploy", "-v0")
    shown = json.loads(shop.run("showmigrations", "shop", "--format", "json"))
    assert [(m["name"], m["stage"], m["state"]) for m in shown] == [
        ("0001_initial", "pre_deploy", "applied"),
        ("0002_add", "pre_deploy", "applied"),
        ("0003_index", "pre_deploy", "applied"),
        ("0004_gone", "post_deployment", "recorded"),
        ("0005_more", "pre_deploy", "applied"),
    ]
    assert " [X] 0004_gone (recorded, its operations wait until after the deployment)\n" in shop.run("showmigrations")
