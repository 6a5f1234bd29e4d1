"""`showmigrations`, with the stage of each migration and with what waits although it is recorded."""

import json
from typing import Any

from django.core.management.base import CommandParser, OutputWrapper
from django.core.management.commands.showmigrations import Command as DjangoCommand
from django.db import connections
from django.db.migrations.loader import MigrationLoader

from syzygy import conf
from syzygy.inference import get_migration_stage
from syzygy.progress import MigrationKey, Progress
from syzygy.reports import stage_in_words

__all__ = ("Command",)


class Command(DjangoCommand):
    """Django's command, whose lines also say when a migration runs."""

    def add_arguments(self, parser: CommandParser) -> None:  # noqa: D102
        super().add_arguments(parser)
        parser.add_argument(
            "--format",
            choices=("text", "json"),
            default="text",
            dest="report_format",
            help="text, or json for programs. Defaults to text.",
        )

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: D102
        conf.refuse_wrong_settings()
        report_format = options.pop("report_format", "text")
        connection = connections[options["database"]]
        self._loader = MigrationLoader(connection, ignore_no_migrations=True)
        self._waiting = set(Progress(connection).deferred())
        if report_format == "json":
            self._write_json(options["app_label"])
            return
        stdout, annotated = self.stdout, _Annotated(self.stdout, self)
        self.stdout = annotated  # type: ignore[assignment]
        try:
            super().handle(*args, **options)
        finally:
            self.stdout = stdout

    def _write_json(self, app_labels: list[str]) -> None:
        if app_labels:
            self._validate_app_names(self._loader, app_labels)  # type: ignore[attr-defined]
        wanted = app_labels or self._loader.migrated_apps
        nodes = self._loader.graph.nodes
        plan = dict.fromkeys(
            key for leaf in self._loader.graph.leaf_nodes() for key in self._loader.graph.forwards_plan(leaf)
        )
        self.stdout.write(json.dumps([self._as_dict(key, nodes[key]) for key in plan if key[0] in wanted], indent=2))

    def _as_dict(self, key: MigrationKey, migration: Any) -> dict[str, Any]:
        stage = get_migration_stage(migration)
        state = "applied" if key in self._loader.applied_migrations else "unapplied"
        return {
            "app": key[0],
            "name": key[1],
            "stage": stage and stage.value,
            "state": "recorded" if key in self._waiting else state,
        }

    def note(self, key: MigrationKey) -> str:
        """Return what is added to the line of a migration."""
        if key not in self._loader.graph.nodes:
            return ""
        if key in self._waiting:
            return " (recorded, its operations wait until after the deployment)"
        if key in self._loader.applied_migrations:
            return ""
        return f" ({stage_in_words(get_migration_stage(self._loader.graph.nodes[key]))})"


class _Annotated:
    """Adds to Django's lines, which have no other place for it, what it knows about the migrations they name."""

    def __init__(self, inner: OutputWrapper, command: Command) -> None:
        self._inner = inner
        self._command = command
        self._app_label = ""

    def write(self, line: str, style_func: Any = None) -> None:
        """Write one line of Django's command."""
        mark, _, rest = line.strip().partition("] ")
        if mark not in {"[X", "[-", "[ "}:
            self._app_label = line
            self._inner.write(line, style_func)
            return
        name = rest.split()[0]
        app_label, _, name = name.rpartition(".") if line.startswith("[") else (self._app_label, "", name)
        self._inner.write(f"{line}{self._command.note((app_label, name))}", style_func)
