"""Names, files and behaviours that projects of django-syzygy rely on."""

import uuid
from importlib import import_module

import pytest
from django.core.management import call_command
from django.db import migrations, models
from django.db.migrations.optimizer import MigrationOptimizer
from django.db.migrations.state import ProjectState
from django.db.migrations.writer import OperationWriter

import syzygy.constants
import syzygy.functions
import syzygy.operations
from syzygy import Stage
from syzygy.operations import (
    AddConstraintOnline,
    AddFieldOnline,
    AddIndexOnline,
    AlterFieldOnline,
    AlterUniqueTogetherOnline,
    ContractRenameField,
    ContractRenameModel,
    DropForeignKeys,
    ExpandRenameField,
    ExpandRenameModel,
    FillField,
    RemoveIndexOnline,
    SetDatabaseDefault,
)

NAMES = {
    "syzygy": ["Stage", "AmbiguousPlan", "AmbiguousStage"],
    "syzygy.constants": ["Stage"],
    "syzygy.exceptions": ["AmbiguousPlan", "AmbiguousStage"],
    "syzygy.compat": ["field_db_default_supported", "OperationDependency"],
    "syzygy.conf": [
        *["MIGRATION_STAGES_OVERRIDE", "MIGRATION_STAGES_FALLBACK", "is_third_party_app", "_configure"],
        "_watch_settings",
    ],
    "syzygy.plan": [
        *["Plan", "hash_plan", "get_operation_stage", "partition_operations", "get_migration_stage"],
        *["must_post_deploy_migration", "get_pre_deploy_plan"],
    ],
    "syzygy.operations": [
        *["AddField", "PostAddField", "PreRemoveField", "RenameField", "RenameModel", "AlterField", "StagedOperation"],
        *["get_pre_add_field_operation", "get_post_add_field_operation", "get_pre_remove_field_operation"],
    ],
    "syzygy.autodetector": [
        *["MigrationAutodetector", "STAGE_SPLIT", "OperationStage", "StageDependency", "StagedOperationDependency"],
        "partition_operations",
    ],
    "syzygy.checks": ["check_migrations"],
    "syzygy.quorum": ["join_quorum", "sever_quorum", "poll_quorum", "QuorumDisolved"],
    "syzygy.quorum.exceptions": ["QuorumDisolved"],
    "syzygy.quorum.backends.base": ["QuorumBase"],
    "syzygy.quorum.backends.cache": ["CacheQuorum"],
    "syzygy.management.commands.makemigrations": ["Command", "MigrationAutodetector"],
    "syzygy.management.commands.migrate": ["Command"],
}


@pytest.mark.parametrize("module", NAMES)
def test_names(module):
    """Everything that could be imported can be imported."""
    assert [name for name in NAMES[module] if not hasattr(import_module(module), name)] == []


def test_the_autodetector_can_be_replaced(monkeypatch, django_db_blocker):
    """`makemigrations` uses the autodetector by its name in the module of the command, and not with --disable-syzygy."""
    made = []
    module = "syzygy.management.commands.makemigrations"
    monkeypatch.setattr(f"{module}.MigrationAutodetector", lambda *args, **options: made.append(options) or Detector())
    with django_db_blocker.unblock():
        call_command("makemigrations", "--dry-run", "-v0", skip_checks=True)
        assert len(made) == 1
        call_command("makemigrations", "--dry-run", "-v0", "--disable-syzygy", skip_checks=True)
    assert len(made) == 1


class Detector:
    """Detects nothing."""

    def changes(self, **_):
        return {}


def test_values_of_the_stages():
    """They are what settings and files hold."""
    assert [(stage.name, stage.value) for stage in Stage] == [
        ("PRE_DEPLOY", "pre_deploy"),
        ("POST_DEPLOY", "post_deployment"),
    ]


CREATE = (
    'migrations.CreateModel("Item", fields=[("id", models.BigAutoField(auto_created=True, '
    'primary_key=True, serialize=False, verbose_name="ID")), '
    '("legacy", models.IntegerField()), ("old", models.IntegerField(default=5))])'
)
# As they are written under Django 4.2, where the three operations are classes.
ADDED = 'syzygy.operations.AddField(model_name="item", name="qty", field=models.IntegerField(default=7))'
EASED = (
    'syzygy.operations.PreRemoveField(model_name="item", name="legacy", field=models.IntegerField()), '
    'syzygy.operations.PreRemoveField(model_name="item", name="old", field=models.IntegerField(default=5))'
)
DROPPED = 'syzygy.operations.PostAddField(model_name="item", name="qty", field=models.IntegerField(default=7))'
REMOVED = (
    'migrations.RemoveField(model_name="item", name="legacy"), migrations.RemoveField(model_name="item", name="old")'
)


@pytest.mark.parametrize("kind", ["project", "postgres_project"])
def test_files_written_under_django_4_2(kind, request):
    """They load, are divided as they were, run in two halves, and leave nothing to detect."""
    project = request.getfixturevalue(kind)
    project.models("class Item(models.Model):\n    qty = models.IntegerField(default=7)\n")
    project.migration("0001_initial", CREATE)
    project.migration("0002_set_nullable_item_legacy_item_qty", f"{EASED}, {ADDED}", ["0001_initial"])
    project.migration(
        "0003_remove_item_legacy_drop_db_default_item_qty",
        f"{REMOVED}, {DROPPED}",
        ["0002_set_nullable_item_legacy_item_qty"],
    )
    output = project.run("migrate", "--pre-deploy")
    assert "Applying shop.0002_set_nullable_item_legacy_item_qty... OK" in output
    assert "  shop.0003_remove_item_legacy_drop_db_default_item_qty" in output
    project.run("migrate", "-v0")
    project.run("check")
    assert "No changes detected" in project.run("makemigrations", "--check")


QTY = models.IntegerField(null=True)
WRITTEN = [
    AddIndexOnline("item", models.Index(fields=["qty"], name="i")),
    RemoveIndexOnline("item", "i"),
    AddConstraintOnline("item", models.UniqueConstraint(fields=["qty"], name="u")),
    AddFieldOnline("item", "qty", QTY),
    AlterFieldOnline("item", "qty", QTY, Stage.PRE_DEPLOY),
    AlterUniqueTogetherOnline("item", {("a", "b")}),
    ExpandRenameField("item", "price", "cost"),
    ContractRenameField("item", "price", "cost"),
    ExpandRenameModel("Gadget", "Gizmo"),
    ContractRenameModel("Gadget", "Gizmo"),
    FillField("item", "key", uuid.uuid4, Stage.POST_DEPLOY),
    SetDatabaseDefault("item", "key", syzygy.functions.RandomUUID()),
    DropForeignKeys("item", "owner"),
]


def comparable(operation):
    name, args, kwargs = operation.deconstruct()
    return name, args, {k: v.deconstruct() if hasattr(v, "deconstruct") else v for k, v in kwargs.items()}


@pytest.mark.parametrize("operation", WRITTEN, ids=lambda operation: type(operation).__name__)
def test_written_and_read_back(operation):
    """A file holds each operation by a name of `syzygy.operations`, and evaluates to an equal one."""
    source, imports = OperationWriter(operation, indentation=0).serialize()
    assert "import syzygy.operations" in imports
    names = {"syzygy": syzygy, "models": models, "uuid": uuid}
    read = eval(source.rstrip(","), names)
    assert type(read) is type(operation)
    assert comparable(read) == comparable(operation)
    assert read.describe()


def optimized(*operations):
    return MigrationOptimizer().optimize(list(operations), "shop")


def test_squashed_renames():
    """Both halves of a model's rename, squashed, are Django's plain one; of two different renames they are left alone."""
    (model,) = optimized(ExpandRenameModel("Gadget", "Gizmo"), ContractRenameModel("Gadget", "Gizmo"))
    assert type(model) is migrations.RenameModel
    others = [ExpandRenameModel("Gadget", "Gizmo"), ContractRenameModel("A", "B")]
    assert optimized(*others) == others


def test_squashed_renames_of_fields():
    """Squashed with the creation of its model, a field takes the indexes and constraints along that name it."""
    index = models.Index(fields=["price"], name="index")
    constraint = models.CheckConstraint(condition=models.Q(price__gt=0), name="check")
    options = {"indexes": [index], "constraints": [constraint], "unique_together": {("id", "price")}}
    fields = [("id", models.BigAutoField(primary_key=True)), ("price", models.IntegerField())]
    state = ProjectState()
    for operation in optimized(
        migrations.CreateModel("Item", fields, options),
        ExpandRenameField("item", "price", "cost"),
        ContractRenameField("item", "price", "cost"),
        migrations.AlterField("item", "cost", models.BigIntegerField()),
    ):
        operation.state_forwards("shop", state)
    item = state.models["shop", "item"]
    assert isinstance(item.fields["cost"], models.BigIntegerField)
    assert item.options["indexes"][0].fields == ["cost"]
    assert item.options["constraints"][0].condition == models.Q(cost__gt=0)
    assert [tuple(names) for names in item.options["unique_together"]] == [("id", "cost")]


def test_statements_can_be_looked_at(postgres_project):
    """`sqlmigrate` prints the steps of operations that work online, without a look at the tables."""
    project = postgres_project
    project.migration("0001_initial", CREATE)
    project.migration(
        "0002_rename", 'syzygy.operations.ExpandRenameField("item", "old", "new")', ["0001_initial"], "atomic = False"
    )
    project.migration(
        "0003_drop", 'syzygy.operations.ContractRenameField("item", "old", "new")', ["0002_rename"], "atomic = False"
    )
    project.migration(
        "0004_index",
        'syzygy.operations.AddIndexOnline("item", models.Index(fields=["new"], name="i"))',
        ["0003_drop"],
        "atomic = False",
    )
    project.migration(
        "0005_model", 'syzygy.operations.ExpandRenameModel("Item", "Thing")', ["0004_index"], "atomic = False"
    )
    rename = project.run("sqlmigrate", "shop", "0002")
    assert 'ADD COLUMN IF NOT EXISTS "new" integer' in rename
    assert "CREATE TRIGGER" in rename
    assert "VALIDATE CONSTRAINT" in rename
    assert 'DROP COLUMN IF EXISTS "old"' in project.run("sqlmigrate", "shop", "0003")
    assert "CREATE INDEX CONCURRENTLY" in project.run("sqlmigrate", "shop", "0004")
    assert 'CREATE VIEW "shop_item"' in project.run("sqlmigrate", "shop", "0005")
    assert "IF NOT EXISTS" in project.run("sqlmigrate", "shop", "0003", "--backwards")
