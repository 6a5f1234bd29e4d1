"""Management command of the projects under test: `replay FILE` makes and applies releases with syzygy on the database
`default` and with plain Django on `plain`, goes back to the last deployment but one, and prints the schemas and what was
refused as JSON, the last line of its output.

A release is `{"models": source, "renames": [[old, new]], "deploy": whether it is deployed before the next one is made}`.
"""

import importlib
import json
import sys
from pathlib import Path
from types import MappingProxyType

from django.apps import apps
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.core.management.commands import makemigrations
from django.db import connections
from django.db.migrations.questioner import NonInteractiveMigrationQuestioner
from django.test import override_settings

from syzygy import Stage

_PLAIN = {
    "MIGRATION_MODULES": {"shop": "shop.plain_migrations"},
    # The other database has migrations on record that are called the same.
    "DATABASE_ROUTERS": ["replay.management.commands.replay.PlainRouter"],
}
_SCHEMA = {
    "columns": """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated,
            pg_get_expr(d.adbin, d.adrelid), co.collname
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_collation co ON co.oid = a.attcollation
            LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped""",
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace""",
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "others": """
        SELECT 'trigger', tgname, '' FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT 'function', proname, '' FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT relkind::text, relname, '' FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm', 'S')""",
}


class Command(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("file", type=Path)

    def handle(self, file, **_):
        releases = json.loads(file.read_text())
        refused, deployed = [], []
        makemigrations.NonInteractiveMigrationQuestioner = Answers
        for number, release in enumerate(releases):
            load(release["models"])
            Answers.renames = {tuple(pair) for pair in release["renames"]}
            make_migrations()
            with override_settings(**_PLAIN):
                make("makemigrations", "shop", interactive=False, verbosity=0, disable_syzygy=True)
            if release["deploy"] or number == len(releases) - 1:
                try:
                    make("migrate", stage=Stage.PRE_DEPLOY, verbosity=0)
                except CommandError as refusal:
                    refused.append(str(refusal))
                make("migrate", verbosity=0)
                with override_settings(**_PLAIN):
                    make("migrate", database="plain", verbosity=0)
                fill()
                deployed.append((max(Path("shop/migrations").glob("0*.py")).stem, schema("default")))
            make("makemigrations", "shop", check_changes=True, dry_run=True, verbosity=0)
        answer = {"schemas": [schema(alias) for alias in ("default", "plain")], "refused": refused}
        answer["reverts"] = revert(*deployed[-2])
        self.stdout.write(json.dumps(answer, default=str))


def make_migrations():
    """Make staged migrations; a rename that cannot be made without errors is made before the deployment."""
    try:
        make("makemigrations", "shop", interactive=False, verbosity=0)
    except SystemExit:
        Answers.stages = dict.fromkeys(("ask_rename_field_stage", "ask_rename_model_stage"), 2)
        make("makemigrations", "shop", interactive=False, verbosity=0)
        Answers.stages = MappingProxyType({})


def revert(target, expected):
    """Go halfway back and forth again, then all the way back; return pairs of schemas that should be alike.

    The tables are empty, as it takes somebody who knows values to require again what was optional meanwhile.
    """
    with connections["default"].cursor() as cursor:
        tables = connections["default"].introspection.table_names(cursor)
        cursor.execute(f"TRUNCATE {', '.join(name for name in tables if name.startswith('shop_'))}")
    pairs = []
    for halves, wanted in (((), schema("default")), ((target,), expected)):
        make("migrate", "shop", target, stage=Stage.PRE_DEPLOY, verbosity=0)
        make("migrate", *(("shop", *halves) if halves else ()), verbosity=0)
        pairs.append([schema("default"), wanted])
    return pairs


class PlainRouter:
    """Lets migrations see one database."""

    def allow_migrate(self, db, app_label, **hints):
        return db == "plain"


class Answers(NonInteractiveMigrationQuestioner):
    """Says yes to what the release calls a rename."""

    renames = frozenset()
    stages = MappingProxyType({})

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.defaults = self.stages

    def ask_rename(self, model_name, old_name, new_name, field_instance):
        return (old_name, new_name) in self.renames

    def ask_rename_model(self, old_model_state, new_model_state):
        return (old_model_state.name, new_model_state.name) in self.renames


def make(*arguments, **options):
    """Run a command on the migrations as they are on disk now."""
    for name in [name for name in sys.modules if name.startswith(("shop.migrations", "shop.plain_migrations"))]:
        del sys.modules[name]
    importlib.invalidate_caches()
    call_command(*arguments, **options)


def load(source):
    """Replace the models of the application."""
    Path("shop/models.py").write_text(source)
    sys.modules.pop("shop.models", None)
    importlib.invalidate_caches()
    apps.all_models["shop"].clear()
    apps.get_app_config("shop").import_models()
    apps.clear_cache()


def fill():
    """Insert rows into every table that has none."""
    rows = sys.modules["shop.models"].ROWS
    for alias in ("default", "plain"):
        with connections[alias].constraint_checks_disabled():
            for model in apps.get_app_config("shop").get_models():
                if not model.objects.using(alias).exists():
                    model.objects.using(alias).bulk_create(model(**rows[model.__name__](row)) for row in (1, 2, 3))


def schema(alias):
    with connections[alias].cursor() as cursor:
        found = {}
        for kind, query in _SCHEMA.items():
            cursor.execute(query)
            found[kind] = sorted(map(list, cursor.fetchall()), key=repr)
        return found
