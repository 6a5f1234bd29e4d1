"""What `makemigrations` writes for each kind of change."""

import datetime as dt
import uuid

import pytest
from django.apps import apps
from django.core.management.color import color_style
from django.db import migrations, models
from django.db.migrations.graph import MigrationGraph
from django.db.migrations.questioner import (
    InteractiveMigrationQuestioner,
    MigrationQuestioner,
    NonInteractiveMigrationQuestioner,
)
from django.db.migrations.state import ModelState, ProjectState
from django.db.models.functions import Cast, Now
from django.utils import timezone

from syzygy import Stage, operations
from syzygy.autodetector import STAGE_SPLIT, MigrationAutodetector
from syzygy.exceptions import AmbiguousStage
from syzygy.plan import get_migration_stage

PRE, POST = Stage.PRE_DEPLOY, Stage.POST_DEPLOY


def model(name="Item", app_label="shop", options=None, bases=None, **fields):
    named = [("id", models.BigAutoField(primary_key=True)), *fields.items()]
    return ModelState(app_label, name, named, options=options or {}, bases=bases)


def state(*model_states):
    project = ProjectState()
    for model_state in model_states:
        project.add_model(model_state.clone())
    return project


def detect(before, after, questioner=None, **defaults):
    """Return the migrations of each app for a change between two lists of models."""
    questioner = questioner or MigrationQuestioner(defaults)
    detector = MigrationAutodetector(state(*before), state(*after), questioner, style=color_style())
    changes = detector._detect_changes()
    assert not any(label.startswith(STAGE_SPLIT) for label in changes)
    for app_migrations in changes.values():
        for migration in app_migrations:
            assert not any(app.startswith(STAGE_SPLIT) for app, _ in migration.dependencies)
    return changes


def written(before, after, **defaults):
    """Return `[(stage, suggested name, operations)]` of the app `shop`."""
    found = detect(before, after, **defaults).get("shop", [])
    return [(get_migration_stage(m), m.suggest_name(), m.operations) for m in found]


def names(result):
    return [(stage, name) for stage, name, _ in result]


NOTHING = {}
ADDED_WITHOUT_SPLIT = [
    models.IntegerField(null=True),
    models.IntegerField(null=True, default=None),
    models.IntegerField(db_default=3),
    models.IntegerField(default=3, db_default=3),
    models.ManyToManyField("shop.Item"),
    models.GeneratedField(expression=models.F("id"), output_field=models.BigIntegerField(), db_persist=True),
    models.GeneratedField(expression=models.F("id"), output_field=models.BigIntegerField(default=5), db_persist=True),
]


@pytest.mark.parametrize("field", ADDED_WITHOUT_SPLIT, ids=repr)
def test_addition_that_old_code_does_not_notice(field):
    """A field that the database fills by itself is added by one plain operation before the deployment."""
    ((stage, name, (operation,)),) = written([model()], [model(qty=field)])
    assert (stage, name, type(operation)) == (PRE, "item_qty", migrations.AddField)
    assert operation.field.deconstruct()[3] == field.deconstruct()[3]


def answer():
    return 42


ADDED_WITH_DEFAULT = [
    (models.IntegerField(default=7), 7),
    (models.IntegerField(null=True, default=7), 7),
    (models.IntegerField(default=answer), 42),
    (models.CharField(max_length=9, blank=True), ""),
    (models.BinaryField(blank=True), b""),
    (models.JSONField(default=dict), {}),
    (models.DateTimeField(auto_now=True), Now()),
    (models.DateTimeField(default=timezone.now), Now()),
    (models.DateTimeField(auto_now_add=True, default=timezone.now), Now()),
    (models.DateField(auto_now=True), Cast(Now(), models.DateField())),
    (models.DateField(default=dt.date.today), Cast(Now(), models.DateField())),
    (models.TimeField(auto_now=True), Cast(Now(), models.TimeField())),
    (
        models.DateTimeField(default=dt.datetime(2020, 1, 1, tzinfo=dt.UTC)),
        dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
    ),
    (models.ForeignKey("shop.Item", models.CASCADE, default=1), 1),
    (models.ForeignKey("shop.Item", models.CASCADE, default=answer), 42),
]


@pytest.mark.parametrize(("field", "database_default"), ADDED_WITH_DEFAULT, ids=repr)
def test_addition_with_a_default(field, database_default):
    """The database keeps the default while old code runs, and loses it after the deployment."""
    before, after = written([model()], [model(qty=field)])
    assert names([before, after]) == [(PRE, "item_qty"), (POST, "drop_db_default_item_qty")]
    (addition,), (alteration,) = before[2], after[2]
    assert type(addition) is migrations.AddField
    assert addition.field.db_default == database_default
    assert type(alteration) is operations.AlterField
    assert not alteration.field.has_db_default()
    assert alteration.field.deconstruct()[1:] == field.deconstruct()[1:]


def test_identifiers():
    """The database gives each row a random identifier while old code runs, the rows that are there in batches."""
    result = written([model()], [model(key=models.UUIDField(default=uuid.uuid4))])
    assert names(result) == [
        (PRE, "item_key_set_db_default_item_key"),
        (PRE, "fill_item_key"),
        (POST, "drop_db_default_item_key"),
    ]


@pytest.mark.parametrize(
    "field",
    [models.UUIDField(default=uuid.uuid1), models.IntegerField(unique=True, default=answer)],
    ids=["anew each time", "unique"],
)
def test_values_of_their_own(field):
    """Where each row needs a value of its own the column is NULL at first, and the rows are filled on both sides."""
    result = written([model()], [model(key=field)])
    assert names(result) == [
        (PRE, "item_key"),
        (PRE, "fill_item_key"),
        (POST, "fill_item_key"),
        (POST, "alter_item_key"),
    ]
    addition, *_, (alteration,) = (operations_ for *_, operations_ in result)
    assert addition[0].field.null
    assert not addition[0].field.has_default()
    assert alteration.field.deconstruct()[1:] == field.deconstruct()[1:]


def test_values_of_their_own_beside_a_tightened_field():
    """Filling one column has nothing to do with what happens to another one after the deployment."""
    before = model(qty=models.IntegerField(null=True))
    result = written([before], [model(qty=models.IntegerField(default=7), key=models.UUIDField(default=uuid.uuid4))])
    assert names(result) == [
        (PRE, "item_key_set_db_default_item_key"),
        (PRE, "fill_item_key"),
        (POST, "alter_item_qty_drop_db_default_item_key"),
    ]


def test_unique_together_with_another_field():
    """The field that takes the place of another one is there before it has to be unique together with a third."""

    def item(name):
        field = models.IntegerField(null=True, db_column=name)
        return model(qty=models.IntegerField(), options={"unique_together": {("qty", name)}}, **{name: field})

    (_, _, before), (_, _, after) = written([item("old")], [item("new")])
    assert [type(o).__name__ for o in before] == ["AlterUniqueTogether", "AddField", "AlterUniqueTogether"]
    assert [type(o).__name__ for o in after] == ["RemoveField"]


def test_addition_after_its_twin():
    """The second half depends on the first."""
    first, second = detect([model()], [model(qty=models.IntegerField(default=7))])["shop"]
    assert second.dependencies == [("shop", first.name)]


def test_one_off_default():
    """A default given only for the addition is left in neither the field nor the database."""

    class Questioner(MigrationQuestioner):
        def ask_not_null_addition(self, field_name, model_name):
            return 5

    first, second = detect([model()], [model(qty=models.IntegerField())], Questioner())["shop"]
    assert first.operations[0].field.db_default == 5
    assert first.operations[0].preserve_default is False
    assert not second.operations[0].field.has_default()
    assert not second.operations[0].field.has_db_default()


def test_index_on_an_added_field():
    """An index on a field that is added with a default belongs to the first half."""
    indexed = {"indexes": [models.Index(fields=["qty"], name="qty_index")]}
    before, after = written([model()], [model(options=indexed, qty=models.IntegerField(default=7))])
    assert [type(operation).__name__ for operation in before[2]] == ["AddField", "AddIndex"]
    assert [type(operation).__name__ for operation in after[2]] == ["AlterField"]


def test_index_beside_a_removal():
    """An index is made before the deployment even though a field goes after it."""
    indexed = {"indexes": [models.Index(fields=["qty"], name="qty_index")]}
    field = models.IntegerField(null=True)
    before, after = written([model(qty=field, old=field)], [model(options=indexed, qty=field)])
    assert [type(operation).__name__ for operation in before[2]] == ["AddIndex"]
    assert names([after]) == [(POST, "remove_item_old")]


REMOVED = [
    (models.IntegerField(), "set_nullable"),
    (models.IntegerField(default=5), "set_db_default"),
    (models.IntegerField(null=True, default=5), "set_db_default"),
    (models.IntegerField(unique=True, default=answer), "set_nullable"),
    (models.DateTimeField(auto_now=True), "set_db_default"),
    (models.ForeignKey("shop.Item", models.CASCADE), "set_nullable"),
]


@pytest.mark.parametrize(("field", "action"), REMOVED, ids=repr)
def test_removal_of_a_column_that_inserts_must_fill(field, action):
    """New code can leave the column out before old code is gone; then the column goes."""
    before, after = written([model(legacy=field)], [model()])
    assert names([before, after]) == [(PRE, f"{action}_item_legacy"), (POST, "remove_item_legacy")]
    assert before[2][0].stage is PRE
    assert before[2][0].field.null == (field.null or action == "set_nullable")
    assert before[2][0].field.has_db_default() == (action == "set_db_default")


@pytest.mark.parametrize(
    "field",
    [
        models.IntegerField(null=True),
        models.IntegerField(db_default=1),
        models.ManyToManyField("shop.Item"),
        ADDED_WITHOUT_SPLIT[-2],
    ],
    ids=repr,
)
def test_removal_of_a_column_that_fills_itself(field):
    """Nothing needs to be prepared: one plain removal after the deployment."""
    (only,) = written([model(legacy=field)], [model()])
    assert names([only]) == [(POST, "remove_item_legacy")]
    assert type(only[2][0]) is migrations.RemoveField


def test_default_chosen_for_a_removal():
    """The questioner may give the value that rows get until the column is gone."""
    before, _ = written([model(legacy=models.IntegerField())], [model()], ask_remove_default=9)
    assert before[1] == "set_db_default_item_legacy"
    assert before[2][0].field.db_default == 9


@pytest.mark.parametrize(("choice", "stage"), [(2, PRE), (3, POST)])
def test_rename_field(choice, stage):
    """A column is renamed in the stage that is chosen."""
    change = [model(price=models.IntegerField())], [model(cost=models.IntegerField())]
    (only,) = written(*change, ask_rename=True, ask_rename_field_stage=choice)
    assert names([only]) == [(stage, "rename_price_item_cost")]
    assert only[2][0].deconstruct() == (
        "RenameField",
        [],
        {"model_name": "item", "old_name": "price", "new_name": "cost", "stage": stage},
    )


@pytest.mark.parametrize("defaults", [{}, {"ask_rename_field_stage": 1}])
def test_rename_field_undecided(defaults, capsys):
    """Without an answer the command quits with status 3 and says what the danger is."""
    change = [model(price=models.IntegerField())], [model(cost=models.IntegerField())]
    with pytest.raises(SystemExit) as end:
        written(*change, ask_rename=True, **defaults)
    assert end.value.code == 3
    assert "item.price" in capsys.readouterr().err


def test_rename_field_that_keeps_its_column():
    """A rename that the database does not see is nobody's danger."""
    change = [model(price=models.IntegerField())], [model(cost=models.IntegerField(db_column="price"))]
    (only,) = written(*change, ask_rename=True)
    assert only[0] is PRE
    assert type(only[2][-1]) is migrations.RenameField


@pytest.mark.parametrize(("choice", "stage"), [(2, PRE), (3, POST)])
def test_rename_model(choice, stage):
    """A table is renamed in the stage that is chosen."""
    (only,) = written([model("Gadget")], [model("Gizmo")], ask_rename_model=True, ask_rename_model_stage=choice)
    assert names([only]) == [(stage, "rename_gadget_gizmo")]
    assert only[2][0].deconstruct() == ("RenameModel", [], {"old_name": "Gadget", "new_name": "Gizmo", "stage": stage})


def test_rename_model_undecided(capsys):
    """Without an answer the command quits with status 3."""
    with pytest.raises(SystemExit) as end:
        written([model("Gadget")], [model("Gizmo")], ask_rename_model=True)
    assert end.value.code == 3
    assert "shop_gadget" in capsys.readouterr().err


def test_rename_model_that_keeps_its_table():
    """With the same table there is nothing to ask."""
    kept = model("Gizmo", options={"db_table": "shop_gadget"})
    ((stage, _, found),) = written([model("Gadget")], [kept], ask_rename_model=True)
    assert stage is PRE
    assert type(found[0]) is migrations.RenameModel


def test_rename_model_that_is_not_detected():
    """Without somebody to ask Django sees a new model and a deleted one, one on each side."""
    assert [stage for stage, *_ in written([model("Gadget")], [model("Gizmo")])] == [PRE, POST]


ALTERED = [
    (models.IntegerField(null=True), models.IntegerField(default=1), POST),
    (models.IntegerField(null=True), models.IntegerField(db_default=1), POST),
    (models.IntegerField(db_default=1), models.IntegerField(), POST),
    (models.IntegerField(), models.IntegerField(null=True), PRE),
    (models.IntegerField(), models.BigIntegerField(), PRE),
    (models.IntegerField(), models.IntegerField(unique=True), PRE),
    (models.IntegerField(), models.IntegerField(db_default=1), PRE),
    (models.CharField(max_length=5), models.CharField(max_length=9), PRE),
]


@pytest.mark.parametrize(("old", "new", "stage"), ALTERED, ids=repr)
def test_alteration(old, new, stage):
    """What old code could trip over waits; other alterations are Django's own, before the deployment."""
    ((found_stage, name, (operation,)),) = written([model(qty=old)], [model(qty=new)])
    assert (found_stage, name) == (stage, "alter_item_qty")
    assert isinstance(operation, operations.AlterField) == (stage is POST)


def test_create_and_delete_model():
    """A new table is made before the deployment, an old one dropped after it."""
    result = written([model("Old")], [model("New")])
    assert names(result) == [(PRE, "new"), (POST, "delete_old")]


def test_add_and_remove_together():
    """All changes of one app share one pair of migrations."""
    result = written([model(legacy=models.IntegerField())], [model(qty=models.IntegerField(default=7))])
    assert names(result) == [
        (PRE, "set_nullable_item_legacy_item_qty"),
        (POST, "remove_item_legacy_drop_db_default_item_qty"),
    ]


UNTOUCHED = [
    ({}, {"indexes": [models.Index(fields=["qty"], name="i")]}),
    ({}, {"constraints": [models.CheckConstraint(condition=models.Q(qty__gt=0), name="c")]}),
    ({}, {"unique_together": {("qty", "id")}}),
    ({}, {"verbose_name": "thing"}),
    ({}, {"order_with_respect_to": "qty"}),
    ({}, {"managed": False}),
    ({"indexes": [models.Index(fields=["qty"], name="i")]}, {}),
]


@pytest.mark.parametrize(("old", "new"), UNTOUCHED, ids=repr)
def test_indexes_constraints_and_options(old, new):
    """They are Django's own operations, before the deployment."""
    field = models.IntegerField()
    ((stage, _, (operation,)),) = written([model(options=old, qty=field)], [model(options=new, qty=field)])
    assert stage is PRE
    assert type(operation).__module__.startswith("django.")


def test_proxy():
    """A model without a table of its own comes before the deployment and goes after it."""
    proxy = ModelState("shop", "Proxy", [], options={"proxy": True}, bases=("shop.Item",))
    assert names(written([model()], [model(), proxy])) == [(PRE, "proxy")]
    assert names(written([model(), proxy], [model()])) == [(POST, "delete_proxy")]


def test_a_required_field_without_a_default(capsys):
    """Django's own refusal stands: without somebody to ask the command quits with status 3."""
    questioner = NonInteractiveMigrationQuestioner(log=print)
    with pytest.raises(SystemExit) as end:
        detect([model()], [model(qty=models.IntegerField())], questioner)
    assert end.value.code == 3
    assert "'qty'" in capsys.readouterr().out


def test_unmanaged_model():
    """Django does not follow the fields of an unmanaged model, and nothing is added to that."""
    unmanaged = {"managed": False}
    assert written([model(options=unmanaged)], [model(options=unmanaged, qty=models.IntegerField(default=1))]) == []


@pytest.mark.parametrize("backwards", [False, True])
def test_field_becomes_many_to_many(backwards, capsys):
    """Removal and addition under one name cannot be divided; it is said, and the check will insist."""
    change = [model(tag=models.IntegerField(null=True))], [model(tag=models.ManyToManyField("shop.Item"))]
    change = change[::-1] if backwards else change
    (migration,) = detect(*change)["shop"]
    assert [type(operation).__name__ for operation in migration.operations] == ["RemoveField", "AddField"]
    message = capsys.readouterr().err
    assert '"shop"' in message
    assert "- Remove field tag from item" in message
    assert "- Add field tag to item" in message
    with pytest.raises(SystemExit) as end:
        detect(*change, ask_ambiguous_abort=True)
    assert end.value.code == 3


NUMBER, OTHER_NUMBER = (models.IntegerField(null=True, db_column="x") for _ in range(2))
LINKS, OTHER_LINKS = (models.ManyToManyField("shop.Item", db_table="x", related_name="+") for _ in range(2))
PASSED_ON = [
    ("Column x of table shop_item", [model(a=NUMBER)], [model(b=OTHER_NUMBER)]),
    ("Table x", [model("Old", options={"db_table": "x"})], [model("New", options={"db_table": "x"})]),
    ("Table x", [model(a=LINKS)], [model(b=OTHER_LINKS)]),
]


@pytest.mark.parametrize(("name", "before", "after"), PASSED_ON)
def test_a_name_in_the_database_is_passed_on(name, before, after, capsys):
    """What old code still uses until after the deployment cannot be something else before; the output says which."""
    (migration,) = detect(before, after)["shop"]
    with pytest.raises(AmbiguousStage):
        get_migration_stage(migration)
    assert f"{name} is there until after the deployment" in capsys.readouterr().err


def test_a_name_that_is_given_up_after_the_deployment(capsys):
    """As long as a column waits to be renamed, no new one can have the name that it gives up."""
    number, text = models.IntegerField(null=True), models.TextField(null=True, db_column="a")
    (migration,) = detect([model(a=number)], [model(c=number, b=text)], ask_rename=True, ask_rename_field_stage=3)[
        "shop"
    ]
    with pytest.raises(AmbiguousStage):
        get_migration_stage(migration)
    assert "Column a of table shop_item is there until after the deployment" in capsys.readouterr().err


def test_relations_without_a_column():
    """One that goes, and one that comes, have no name in the database that the other one could take."""
    gone, new = (
        models.ForeignObject("shop.Item", models.CASCADE, ["id"], ["id"], related_name="+", null=True) for _ in range(2)
    )
    assert names(written([model(a=gone)], [model(b=new)])) == [(PRE, "item_b"), (POST, "remove_item_a")]


def test_a_new_model_beside_a_removal():
    """Looking for names that are in use leaves the new model's options as they are."""
    ((_, _, (creation,)), _) = written([model(a=NUMBER)], [model(), model("New", options={"db_table": "y"})])
    assert creation.options == {"db_table": "y"}


@pytest.mark.parametrize("kept", [{}, {"db_column": "y"}])
def test_names_in_the_database_that_differ(kept):
    """A field that goes, and one that comes, are two migrations where their columns are not the same."""
    result = written([model(a=NUMBER)], [model(b=models.IntegerField(null=True, **kept))])
    assert names(result) == [(PRE, "item_b"), (POST, "remove_item_a")]


def test_foreign_key_removed_where_its_target_is_deleted():
    """The table of one app goes after the column of another that refers to it, on both sides."""
    target = model("Target", "a")
    field = models.ForeignKey("a.Target", models.CASCADE)
    changes = detect([target, model("Child", "b", fk=field)], [model("Child", "b")])
    first, second = changes["b"]
    assert (get_migration_stage(first), get_migration_stage(second)) == (PRE, POST)
    (deletion,) = changes["a"]
    assert get_migration_stage(deletion) is POST
    assert ("b", second.name) in deletion.dependencies


def test_apps_that_wait_for_each_other():
    """Splitting one app does not split another that depends on it, nor stop on apps in the wrong order."""
    field = models.IntegerField(default=1)
    before = [model("A", "a"), model("B", "b")]
    after = [
        model("A", "a", qty=field, b=models.ForeignKey("b.New", models.CASCADE, null=True)),
        model("B", "b", qty=field),
        model("New", "b"),
    ]
    changes = detect(before, after)
    assert [get_migration_stage(m) for m in changes["a"]] == [PRE, POST]
    assert [get_migration_stage(m) for m in changes["b"]] == [PRE, POST]
    assert ("b", changes["b"][0].name) in changes["a"][0].dependencies


def test_removal_in_one_app_beside_a_reference_in_another():
    """What is added before the deployment does not depend on another app's unrelated removal after it."""
    before = [model("A", "a"), model("B", "b", old=models.IntegerField(null=True))]
    after = [model("A", "a", b=models.ForeignKey("b.B", models.CASCADE, null=True)), model("B", "b")]
    graph = MigrationGraph()
    for label in ("a", "b"):
        graph.add_node((label, "0001_initial"), None)
    detector = MigrationAutodetector(state(*before), state(*after), MigrationQuestioner())
    (migration,) = detector._detect_changes(graph=graph)["a"]
    assert migration.dependencies == [("b", "0001_initial")]


class Answers(InteractiveMigrationQuestioner):
    """Answers in turn, keeping what was asked."""

    def __init__(self, *answers, **options):
        super().__init__(**options)
        self.answers, self.asked = list(answers), []

    def _choice_input(self, question, choices):
        self.asked.append((question, choices))
        return self.answers.pop(0)

    def _boolean_input(self, question, default=None):
        return True

    def _ask_default(self, default=""):
        return 77


def test_asked_about_a_removal():
    """Somebody who is there is asked for a value, NULL, or to quit."""
    change = [model(legacy=models.IntegerField())], [model()]
    assert detect(*change, Answers(1))["shop"][0].operations[0].field.db_default == 77
    assert detect(*change, Answers(2))["shop"][0].operations[0].field.null
    with pytest.raises(SystemExit) as end:
        detect(*change, Answers(3))
    assert end.value.code == 3


def test_not_asked_whether_one_value_may_be_unique():
    """Django asks whether to go on although all rows would get one value; here each row gets its own."""
    questioner = Answers()
    detect([model()], [model(key=models.UUIDField(unique=True, default=uuid.uuid1))], questioner)
    assert questioner.asked == []
    shared = models.OneToOneField("shop.Item", models.CASCADE, null=True, default=answer)
    questioner = Answers(1)
    detect([model()], [model(key=shared)], questioner)
    assert "will not generate unique values" in questioner.asked[0][0]


def test_not_asked_about_a_many_to_many_removal():
    """A many-to-many field has no column, hence no question."""
    questioner = Answers()
    detect([model(tags=models.ManyToManyField("shop.Item"))], [model()], questioner)
    assert questioner.asked == []


def test_asked_about_renames():
    """The choices are to quit, before, and after the deployment, in this order."""
    change = [model(price=models.IntegerField())], [model(cost=models.IntegerField())]
    assert detect(*change, Answers(2))["shop"][0].operations[0].stage is PRE
    assert detect(*change, Answers(3))["shop"][0].operations[0].stage is POST
    questioner = Answers(1)
    with pytest.raises(SystemExit):
        detect(*change, questioner)
    ((_, choices),) = questioner.asked
    assert choices[0].startswith("Quit")
    assert "item.cost" in choices[0]


def test_asked_about_ambiguity():
    """The first choice writes what cannot be divided, the second quits."""
    change = [model(tag=models.IntegerField(null=True))], [model(tag=models.ManyToManyField("shop.Item"))]
    assert len(detect(*change, Answers(1))["shop"]) == 1
    with pytest.raises(SystemExit) as end:
        detect(*change, Answers(2))
    assert end.value.code == 3


def test_partition_is_looked_up_by_name(monkeypatch):
    """Whoever replaces `partition_operations` in the module of the autodetector has replaced what it uses."""

    def refuse(operations, app_label):
        raise AmbiguousStage(app_label)

    monkeypatch.setattr("syzygy.autodetector.partition_operations", refuse)
    questioner = Answers(2)
    with pytest.raises(SystemExit):
        detect([model()], [model(qty=models.IntegerField(default=1))], questioner)
    assert len(questioner.asked) == 1


def test_nobody_is_asked_in_a_dry_run():
    """A dry run answers like a run without anybody to ask."""
    questioner = Answers(dry_run=True)
    detect([model(legacy=models.IntegerField())], [model()], questioner)
    assert questioner.asked == []


def test_without_style():
    """The autodetector works with the three arguments Django gives it."""
    questioner = MigrationQuestioner()
    assert MigrationAutodetector(state(), state(model()), questioner)._detect_changes()
    assert apps.ready
