"""`makemigrations` and `migrate` as people run them."""

INITIAL = "class Item(models.Model):\n    name = models.CharField(max_length=9)\n    legacy = models.IntegerField()\n"
CHANGED = (
    "class Item(models.Model):\n    name = models.CharField(max_length=9)\n    qty = models.IntegerField(default=7)\n"
)
SECOND, THIRD = "0002_set_nullable_item_legacy_item_qty", "0003_remove_item_legacy_drop_db_default_item_qty"


def deployed(project):
    project.models(INITIAL)
    project.run("makemigrations", "--no-input", "-v0")
    project.run("migrate", "-v0")
    project.models(CHANGED)


def statement(project, sql):
    """Run SQL on the project's database; False if it is refused."""
    code = (
        f"from django.db import connection, Error\ntry: connection.cursor().execute({sql!r})\n"
        "except Error: print('refused')\nelse: print('accepted')"
    )
    return project.run("shell", "-v0", "-c", code).strip() == "accepted"


def insert(project, columns, values):
    """Insert a row as code that knows only these columns would; True if the database accepts it."""
    return statement(project, f"insert into shop_item ({columns}) values ({values})")


def deploy(project):
    """Old and new code can write at every moment from the first half to the second."""
    deployed(project)
    project.run("makemigrations", "--no-input")
    assert project.migrations() == ["0001_initial", SECOND, THIRD]
    assert "syzygy.constants.Stage['POST_DEPLOY']" in project.source(THIRD)
    output = project.run("migrate", "--pre-deploy")
    assert f"Applying shop.{SECOND}... OK" in output
    assert f"Postponed until after the deployment:\n  shop.{THIRD}\n" in output
    assert insert(project, "name, legacy", "'old', 1")
    assert insert(project, "name, qty", "'new', 1")
    output = project.run("migrate")
    assert f"Applying shop.{THIRD}... OK" in output
    assert "Postponed" not in output
    assert not insert(project, "name", "'old'")
    assert "No changes detected" in project.run("makemigrations", "--check")
    project.run("check")
    # And back: what was undone last is done first.
    output = project.run("migrate", "shop", "0001", "--pre-deploy")
    assert f"Unapplying shop.{THIRD}... OK" in output
    assert f"  Revert shop.{SECOND}" in output
    # Rows of new code have no value for the column; only somebody who knows one can require it again.
    statement(project, "update shop_item set legacy = 0 where legacy is null")
    assert "Unapplying" in project.run("migrate", "shop", "0001")


def test_deployment_on_sqlite(project):
    """A change is made, applied in two halves, and reverted in two halves, on SQLite."""
    deploy(project)


def test_deployment_on_postgresql(postgres_project):
    """The same on PostgreSQL."""
    deploy(postgres_project)


def test_an_interpreter_of_its_own(project):
    """A command that nothing was imported for before does the same: here it makes and applies a migration."""
    project.models(INITIAL)
    for arguments in (["makemigrations", "--no-input"], ["migrate", "--pre-deploy"]):
        command = project.start_interpreter(*arguments)
        assert command.finish() == 0, command.output
    assert "Applying shop.0001_initial... OK" in command.output


def test_postgresql_statements(postgres_project):
    """The statements are single, plain ALTER TABLEs."""
    deployed(postgres_project)
    postgres_project.run("makemigrations", "--no-input", "-v0")
    before = postgres_project.run("sqlmigrate", "shop", "0002")
    assert 'ALTER TABLE "shop_item" ALTER COLUMN "legacy" DROP NOT NULL' in before
    assert 'ADD COLUMN "qty" integer DEFAULT 7 NOT NULL' in before
    after = postgres_project.run("sqlmigrate", "shop", "0003")
    assert 'DROP COLUMN "legacy"' in after
    assert 'ALTER COLUMN "qty" DROP DEFAULT' in after


def test_disabled(project):
    """With --disable-syzygy Django's own single migration is written."""
    deployed(project)
    project.run("makemigrations", "--no-input", "--disable-syzygy")
    assert len(project.migrations()) == 2
    assert "syzygy" not in project.source(project.migrations()[1])


def test_plan_and_check(project):
    """--plan and --check speak of the half that was asked for, and change nothing."""
    deployed(project)
    project.run("makemigrations", "--no-input", "-v0")
    plan = project.run("migrate", "--pre-deploy", "--plan")
    assert f"shop.{SECOND}\n" in plan
    assert f"Postponed until after the deployment:\n  shop.{THIRD}\n" in plan
    assert "Remove field" not in plan.partition("Postponed")[0]
    assert plan == project.run("migrate", "--pre-deploy", "--check", status=1)
    project.run("migrate", "--pre-deploy", "-v0")
    assert project.run("migrate", "--pre-deploy", "--check") == ""
    project.run("migrate", "--check", status=1)


def test_ambiguous_plan(project):
    """A change that undoes what still waits needs a deployment of its own, and is refused in words that name both."""
    create = 'migrations.CreateModel("Item", fields=[("id", models.BigAutoField(primary_key=True)), ("a", models.IntegerField(null=True))])'
    project.migration("0001_initial", create)
    project.run("migrate", "-v0")
    project.migration("0002_remove", 'migrations.RemoveField("Item", "a")', ["0001_initial"])
    project.migration("0003_add", 'migrations.AddField("Item", "a", models.TextField(null=True))', ["0002_remove"])
    for option in ([], ["--plan"], ["--check"]):
        output = project.run("migrate", "--pre-deploy", *option, status=1)
        assert output.startswith("CommandError: The plan cannot be cut at the deployment: shop.0003_add")
        assert "shop.0002_remove" in output
    project.run("migrate")


def test_rename_without_anybody_to_ask(project):
    """A rename is not guessed: without somebody to ask Django sees a new field and a removed one."""
    project.models("class Item(models.Model):\n    price = models.IntegerField(null=True)\n")
    project.run("makemigrations", "--no-input", "-v0")
    project.models("class Item(models.Model):\n    cost = models.IntegerField(null=True)\n")
    project.run("makemigrations", "--no-input", "-v0")
    assert project.migrations()[1:] == ["0002_item_cost", "0003_remove_item_price"]


def test_rename_with_somebody_to_ask(project):
    """The question is whether it is a rename, then when to do it."""
    project.models("class Item(models.Model):\n    price = models.IntegerField(null=True)\n")
    project.run("makemigrations", "--no-input", "-v0")
    project.models("class Item(models.Model):\n    cost = models.IntegerField(null=True)\n")
    command = project.start("makemigrations")
    command.process.stdin.write("y\n3\n")
    command.process.stdin.close()
    assert command.finish() == 0
    assert "stage=syzygy.constants.Stage['POST_DEPLOY']" in project.source("0002_rename_price_item_cost")


def test_wrong_quorum(project):
    """A quorum of nobody is refused."""
    assert "CommandError: --quorum is 0" in project.run("migrate", "--quorum", "0", status=1)


def test_python_calls(project):
    """`call_command` takes the stage and the quorum as keywords."""
    deployed(project)
    project.run("makemigrations", "--no-input", "-v0")
    code = (
        "from django.core.management import call_command; from syzygy import Stage; "
        "call_command('migrate', stage=Stage.PRE_DEPLOY, quorum=1, quorum_timeout=1, verbosity=0); "
        "call_command('migrate', stage='pre_deploy', check_unapplied=True)"
    )
    project.run("shell", "-v0", "-c", code)


THREADS = """
import io, threading
from unittest import mock
from django.core.management import call_command
from django.db import connections
from django.db.models.signals import post_migrate
from syzygy import Stage

signals = []
post_migrate.connect(lambda plan, **_: signals.append([str(migration) for migration, _ in plan]), weak=False)

def take_part(stdout, options):
    call_command("migrate", quorum=2, quorum_timeout=60, stdout=stdout, **options)
    connections.close_all()

def together(**options):
    outputs = [io.StringIO() for _ in range(2)]
    threads = [threading.Thread(target=take_part, args=(stdout, options)) for stdout in outputs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted((stdout.getvalue() for stdout in outputs), key=lambda text: "Applying" in text)

pause = threading.Event()
with mock.patch("time.sleep", lambda seconds: pause.wait(0.01)):
    follower, leader = together(stage=Stage.PRE_DEPLOY)
    assert "Reached pre-migrate quorum" in follower and "Migrations applied by remote party" in follower, follower
    assert "Reached pre-migrate quorum" in leader and "Reached post-migrate quorum after" in leader, leader
    assert "Applying shop.0002" in leader and "Applying shop.0003" not in leader, leader
    assert signals == [["shop.0001_initial", "shop.0002_add"]], signals
    assert together(verbosity=0) == ["", ""]
assert signals[1] == ["shop.0003_remove"], signals
print("done")
"""


def test_threads_of_one_process(project):
    """Threads meet as processes do; the signal after a migration is sent by who applies it; -v0 prints nothing."""
    project.settings["MIGRATION_QUORUM_BACKEND"] = "syzygy.quorum.backends.cache.CacheQuorum"
    project.models("class Item(models.Model):\n    qty = models.IntegerField(null=True)\n")
    create = 'migrations.CreateModel("Item", fields=[("id", models.BigAutoField(primary_key=True)), ("old", models.IntegerField(null=True))])'
    project.migration("0001_initial", create)
    add = 'migrations.AddField("Item", "qty", models.IntegerField(null=True))'
    project.migration("0002_add", add, ["0001_initial"])
    project.migration("0003_remove", 'migrations.RemoveField("Item", "old")', ["0002_add"])
    assert project.run("shell", "-v0", "-c", THREADS) == "done\n"
