"""An app on PostgreSQL whose models are project states: changes are detected, applied and reverted in this process."""

from django.db import models
from django.db.migrations import Migration
from django.db.migrations.questioner import MigrationQuestioner
from django.db.migrations.state import ModelState, ProjectState
from sql import Sql

from syzygy import Stage
from syzygy.autodetector import MigrationAutodetector
from syzygy.plan import get_migration_stage

APP = "warehouse"


class Router:
    """The app lives on PostgreSQL, all others on SQLite."""

    def allow_migrate(self, db, app_label, **hints):
        return (db == "postgres") == (app_label == APP)


def model(name="Item", /, options=None, bases=None, **fields):
    named = [("id", models.BigAutoField(primary_key=True)), *fields.items()]
    return ModelState(APP, name, named, options=options or {}, bases=bases)


def state(model_states):
    project = ProjectState()
    for model_state in model_states:
        copied = model_state.clone()  # with the same fields, which the autodetector changes
        copied.fields = {name: field.clone() for name, field in model_state.fields.items()}
        project.add_model(copied)
    return project


def detect(before, after, allow_type_changes=False, **defaults):
    """Return the migrations that a change needs, with names."""
    questioner = MigrationQuestioner({"ask_rename": True, "ask_rename_model": True, **defaults})
    detector = MigrationAutodetector(state(before), state(after), questioner, allow_type_changes=allow_type_changes)
    found = detector._detect_changes().get(APP, [])
    for number, migration in enumerate(found, 2):
        migration.name = f"{number:04}_{migration.suggest_name()}"
    return found


def names(migrations):
    return [(get_migration_stage(migration), migration.name, migration.atomic) for migration in migrations]


class Warehouse:
    """The tables of some models, and what becomes of them."""

    def __init__(self, connection, url):
        self.connection, self.sql = connection, Sql(url)
        self.state, self.done = ProjectState(), []

    def stand(self, *model_states):
        """Make the tables as they are before the change."""
        self.models = model_states
        self.state = state(model_states)
        self._create(self.state)

    def _create(self, project):
        with self.connection.schema_editor() as editor:
            for label, name in project.models:
                editor.create_model(project.apps.get_model(label, name))

    def detect(self, *after, **defaults):
        """Detect what turns the models into others, and remember them."""
        self.migrations = detect(self.models, after, **defaults)
        self.after = after
        return self.migrations

    def apply(self, stage):
        """Apply what belongs to a stage."""
        for migration in self.migrations:
            if get_migration_stage(migration) is stage:
                self.apply_one(migration)

    def apply_one(self, migration):
        before = self.state
        with self.connection.schema_editor(atomic=migration.atomic) as editor:
            self.state = migration.apply(before.clone(), editor)
        self.done.append((migration, before))

    def before(self):
        self.apply(Stage.PRE_DEPLOY)

    def after_it(self):
        self.apply(Stage.POST_DEPLOY)
        differences = self._differences()
        assert not differences, [o.deconstruct() for m in differences[APP] for o in m.operations]

    def _differences(self):
        """What makemigrations would write now."""
        questioner = MigrationQuestioner({"ask_rename": True, "ask_rename_model": True})
        return MigrationAutodetector(self.state, state(self.after), questioner)._detect_changes()

    def revert(self, stage=None):
        """Revert what belongs to a stage, or all."""
        while self.done and stage in {None, get_migration_stage(self.done[-1][0])}:
            migration, before = self.done.pop()
            with self.connection.schema_editor(atomic=migration.atomic) as editor:
                migration.unapply(before.clone(), editor)
            self.state = before

    def schema(self):
        return self.sql.schema(*sorted(self.connection.introspection.table_names()))

    def schema_made_at_once(self):
        """Drop everything and return the schema that Django makes for the models after the change."""
        self.sql("drop schema public cascade")
        self.sql("create schema public")
        self._create(state(self.after))
        return self.schema()

    def fill(self, rows, columns="name", values="'row' || n"):
        self.sql(f"insert into warehouse_item ({columns}) select {values} from generate_series(1, {rows}) n")

    def close(self):
        self.connection.close()
        self.sql.close()


def plain_migration(*operations, atomic=True):
    """Return a migration of the app."""
    migration = Migration("0002_test", APP)
    migration.operations, migration.atomic = list(operations), atomic
    return migration
