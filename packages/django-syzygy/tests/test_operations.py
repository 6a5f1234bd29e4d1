"""The operations: what they deconstruct to, how they are written, what SQL they run."""

import datetime as dt

import pytest
from django.db import connection, connections, migrations, models
from django.db.migrations.optimizer import MigrationOptimizer
from django.db.migrations.state import ModelState, ProjectState
from django.db.migrations.writer import OperationWriter
from django.db.utils import IntegrityError, load_backend
from django.utils.dateparse import parse_date, parse_datetime, parse_time
from project import postgres_settings

import syzygy.constants
import syzygy.operations
from syzygy import Stage
from syzygy.exceptions import InvalidStage
from syzygy.operations import (
    AlterField,
    RenameField,
    RenameModel,
    get_post_add_field_operation,
    get_pre_add_field_operation,
    get_pre_remove_field_operation,
)
from syzygy.writer import MigrationWriter

ARGUMENTS = ("TestModel", "foo", models.IntegerField(default=42))


def parts(operation):
    name, args, kwargs = operation.deconstruct()
    return name, args, sorted(kwargs), kwargs["field"].deconstruct()[3]


def test_pre_add():
    """The addition carries its default into the database."""
    operation = get_pre_add_field_operation(*ARGUMENTS)
    assert parts(operation) == ("AddField", [], ["field", "model_name", "name"], {"default": 42, "db_default": 42})
    assert operation.migration_name_fragment == "testmodel_foo"


def test_post_add():
    """The database loses its default after the deployment."""
    operation = get_post_add_field_operation(*ARGUMENTS)
    assert parts(operation) == ("AlterField", [], ["field", "model_name", "name", "stage"], {"default": 42})
    assert operation.stage is Stage.POST_DEPLOY
    assert operation.migration_name_fragment == "drop_db_default_testmodel_foo"
    assert operation.describe() == "Drop database DEFAULT of field foo on TestModel"


def test_pre_remove_with_default():
    """The database fills the column that new code forgets."""
    operation = get_pre_remove_field_operation(*ARGUMENTS)
    expected = {"default": 42, "db_default": 42}
    assert parts(operation) == ("AlterField", [], ["field", "model_name", "name", "stage"], expected)
    assert operation.stage is Stage.PRE_DEPLOY
    assert operation.migration_name_fragment == "set_db_default_testmodel_foo"
    assert operation.describe() == "Set database DEFAULT of field foo on TestModel"


def test_pre_remove_without_default():
    """The column that new code forgets may be NULL."""
    operation = get_pre_remove_field_operation("TestModel", "foo", models.IntegerField())
    assert parts(operation)[3] == {"null": True}
    assert operation.migration_name_fragment == "set_nullable_testmodel_foo"
    assert operation.describe() == "Set field foo of TestModel NULLable"


@pytest.mark.parametrize(
    "make", [get_pre_add_field_operation, get_post_add_field_operation, get_pre_remove_field_operation]
)
def test_database_default_needs_no_help(make):
    """A field with a `db_default` is refused: nothing has to be done around the deployment."""
    with pytest.raises(ValueError, match="db_default"):
        make("TestModel", "foo", models.IntegerField(db_default=1))


def test_foreign_key_default_instance():
    """A default that is an instance counts as the key that refers to it, without loading the relation."""

    class Author(models.Model):
        code = models.IntegerField(unique=True)

        class Meta:
            app_label = "shelf"

        def __str__(self):
            return str(self.code)

    author = Author(pk=3, code=8)
    by_key = models.ForeignKey("shelf.Author", models.CASCADE, default=author)
    assert get_pre_add_field_operation("Book", "author", by_key).field.db_default == 3
    by_code = models.ForeignKey("shelf.Author", models.CASCADE, to_field="code", default=lambda: author)
    assert get_pre_add_field_operation("Book", "author", by_code).field.db_default == 8


def test_field_given_is_left_alone():
    """The field of the model itself gets no database default."""
    field = models.IntegerField(default=1)
    get_pre_add_field_operation("TestModel", "foo", field)
    get_pre_remove_field_operation("TestModel", "foo", field)
    assert not field.has_db_default()


STAGED = [
    RenameField("model", "old", "new", Stage.PRE_DEPLOY),
    RenameField(model_name="model", old_name="old", new_name="new", stage=Stage.POST_DEPLOY),
    RenameModel("Old", "New", Stage.POST_DEPLOY),
    AlterField("model", "field", models.IntegerField(), Stage.POST_DEPLOY, False),
    AlterField("model", "field", models.IntegerField(), stage=Stage.PRE_DEPLOY),
    get_post_add_field_operation(*ARGUMENTS),
    get_pre_remove_field_operation(*ARGUMENTS),
]


def comparable(operation):
    name, args, kwargs = operation.deconstruct()
    return name, args, {k: v.deconstruct() if isinstance(v, models.Field) else v for k, v in kwargs.items()}


@pytest.mark.parametrize("operation", STAGED, ids=lambda operation: operation.describe())
def test_written_and_read_back(operation):
    """What the migration writer writes evaluates to an equal operation."""
    source, imports = OperationWriter(operation, indentation=0).serialize()
    assert "import syzygy.operations" in imports
    read = eval(source.rstrip(","), {"syzygy": syzygy, "models": models})
    assert comparable(read) == comparable(operation)


@pytest.mark.parametrize("atomic", [True, False])
def test_what_a_file_says_about_its_transaction(atomic):
    """A migration that is not one transaction says so, and says it once on every version of Django."""
    migration = migrations.Migration("0002_index", "shop")
    migration.operations, migration.atomic = [migrations.RunSQL("SELECT 1")], atomic
    text = MigrationWriter(migration).as_string()
    compile(text, "0002_index.py", "exec")
    assert text.count("atomic = False") == (not atomic)


def test_for_stage():
    """Django's operation gets a twin with a stage."""
    plain = migrations.AlterField("m", "f", models.IntegerField(), preserve_default=False)
    staged = AlterField.for_stage(plain, Stage.POST_DEPLOY)
    assert staged.preserve_default is False
    assert staged.stage is Stage.POST_DEPLOY
    assert staged.migration_name_fragment == "alter_m_f"
    staged.migration_name_fragment = "harden_f"
    assert staged.migration_name_fragment == "harden_f"


def test_stage_as_text():
    """A stage may be given as text; nonsense is refused by name."""
    assert RenameModel("A", "B", "post_deploy").stage is Stage.POST_DEPLOY
    assert RenameModel("A", "B", "post_deployment").stage is Stage.POST_DEPLOY
    with pytest.raises(InvalidStage, match=r"RenameModel\.stage is 'later'"):
        RenameModel("A", "B", "later")


def optimized(*operations):
    return MigrationOptimizer().optimize(list(operations), "shelf")


def test_squashed_addition():
    """Squashing both halves of an addition leaves Django's addition without a database default."""
    (operation,) = optimized(get_pre_add_field_operation(*ARGUMENTS), get_post_add_field_operation(*ARGUMENTS))
    assert type(operation) is migrations.AddField
    assert operation.field.deconstruct()[3] == {"default": 42}


def test_squashed_removal():
    """Squashing both halves of a removal leaves the removal."""
    removal = migrations.RemoveField("TestModel", "foo")
    assert optimized(get_pre_remove_field_operation(*ARGUMENTS), removal) == [removal]


def test_files_generated_on_django_4_2():
    """Names that such files use are still there and do the same."""
    assert (
        type(syzygy.operations.AddField(model_name="m", name="f", field=models.IntegerField(default=1)))
        is migrations.AddField
    )
    assert (
        syzygy.operations.PostAddField(model_name="m", name="f", field=models.IntegerField(default=1)).stage
        is Stage.POST_DEPLOY
    )
    assert syzygy.operations.PreRemoveField(model_name="m", name="f", field=models.IntegerField()).field.null


# On databases


@pytest.fixture(params=["sqlite", "postgres"])
def database(request, django_db_blocker):
    with django_db_blocker.unblock():
        if request.param == "sqlite":
            yield connection
            return
        settings = {
            **connections.settings["default"],
            **postgres_settings(request.getfixturevalue("postgres_database")),
        }
        made = load_backend(settings["ENGINE"]).DatabaseWrapper(settings, "default")
        yield made
        made.close()


@pytest.fixture
def shelf(database):
    """Apply operations to a table of one column, and drop it in the end."""
    project = ProjectState()
    project.add_model(ModelState("shelf", "TestModel", [("id", models.BigAutoField(primary_key=True))]))
    with database.schema_editor() as editor:
        editor.create_model(project.apps.get_model("shelf", "TestModel"))
    states = [project]

    def apply(operation):
        after = states[-1].clone()
        operation.state_forwards("shelf", after)
        with database.schema_editor(collect_sql=False) as editor:
            operation.database_forwards("shelf", editor, states[-1], after)
        states.append(after)

    def revert(operation):
        after = states.pop()
        with database.schema_editor() as editor:
            operation.database_backwards("shelf", editor, after, states[-1])

    apply.revert = revert
    yield apply
    with database.schema_editor() as editor:
        editor.delete_model(states[-1].apps.get_model("shelf", "TestModel"))


def rows(database, sql):
    with database.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else None


def inserts_without_columns(database):
    """What code that knows no column but the id does."""
    try:
        rows(database, "INSERT INTO shelf_testmodel (id) SELECT coalesce(max(id), 0) + 1 FROM shelf_testmodel")
    except IntegrityError:
        return False
    return True


def test_addition_lets_old_code_insert(database, shelf):
    """Between the halves an INSERT without the column gets the default, after them it fails."""
    before, after = get_pre_add_field_operation(*ARGUMENTS), get_post_add_field_operation(*ARGUMENTS)
    shelf(before)
    assert inserts_without_columns(database)
    assert rows(database, "SELECT foo FROM shelf_testmodel") == [(42,)]
    shelf(after)
    assert not inserts_without_columns(database)
    shelf.revert(after)
    assert inserts_without_columns(database)


@pytest.mark.parametrize("field", [models.IntegerField(), models.IntegerField(default=5)], ids=["nullable", "default"])
def test_removal_lets_new_code_insert(database, shelf, field):
    """After the first half an INSERT without the column works, also once it is gone."""
    shelf(migrations.AddField("TestModel", "foo", models.IntegerField(default=1)))
    shelf(migrations.AlterField("TestModel", "foo", field))
    assert not inserts_without_columns(database)
    shelf(get_pre_remove_field_operation("TestModel", "foo", field))
    assert inserts_without_columns(database)
    shelf(migrations.RemoveField("TestModel", "foo"))
    assert inserts_without_columns(database)


READ_AS = {models.DateTimeField: dt.datetime, models.DateField: dt.date, models.TimeField: dt.time}
PARSERS = {models.DateTimeField: parse_datetime, models.DateField: parse_date, models.TimeField: parse_time}
CLOCKS = [models.DateTimeField(auto_now=True), models.DateField(auto_now=True), models.TimeField(auto_now=True)]


@pytest.mark.parametrize("field", CLOCKS, ids=lambda field: type(field).__name__)
def test_clocks_are_read_by_the_database(database, shelf, field):
    """A row written by old code carries the time it was written at, of a kind the field reads back."""
    shelf(get_pre_add_field_operation("TestModel", "foo", field))
    assert inserts_without_columns(database)
    ((value,),) = rows(database, "SELECT foo FROM shelf_testmodel")
    if isinstance(value, str):  # SQLite keeps text
        value = PARSERS[type(field)](value)
    assert type(value) is READ_AS[type(field)]
