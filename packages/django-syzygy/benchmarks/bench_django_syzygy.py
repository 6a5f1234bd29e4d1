"""What the package costs `migrate` and `makemigrations` on a project with 1,000 migrations.

Plain Django, django-syzygy 1.2.3 and this package run each command on the same project and PostgreSQL, one directly
after the other, in rounds; the best round of each counts. Only ratios are judged, times tell about the machine.
`--check` exits with 1 if a ratio to Django stays above the target, `--rounds N` measures longer, `--migrations N` takes
a project of another size. django-syzygy 1.2.3 comes from the package index into a temporary environment of its own.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import pentad_config
import syzygy
from pentad_services import PostgresService, start_postgres
from pentad_services.benchmark import OURS, Report, Table, installed, make_environment, options_of

PEER = "1.2.3"
DJANGO = "Django"
COLUMNS = {OURS: "this package", DJANGO: f"plain Django {version('django')}", PEER: f"django-syzygy {PEER}"}
SOURCES = [Path(package.__file__).parents[1] for package in (syzygy, pentad_config)]
TARGET = 1.1
FURTHER_ROUNDS = 4  # at most, while a ratio is above the target: noise only ever makes a run slower
APPS = 20
SETTINGS = """
import json, os
SECRET_KEY = "benchmark"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = json.loads(os.environ["BENCH_APPS"])
DATABASES = {"default": json.loads(os.environ["BENCH_DATABASE"])}
"""
MODELS = """
from django.db import models

class Item(models.Model):
    name = models.CharField(max_length=20)
"""
COMMANDS = {
    "migrate, all of them": ["migrate", "-v0"],
    "migrate, nothing to do": ["migrate", "-v0"],
    "makemigrations, nothing to do": ["makemigrations", "--check", "--dry-run", "-v0"],
}


def write_project(folder: Path, migrations: int) -> list[str]:
    """Write apps whose migrations add fields, and models that agree with them; return the labels."""
    (folder / "bench_settings.py").write_text(SETTINGS)
    labels = [f"app{number}" for number in range(APPS)]
    for label in labels:
        package = folder / label / "migrations"
        package.mkdir(parents=True)
        (folder / label / "__init__.py").touch()
        (package / "__init__.py").touch()
        fields = [f"field_{number}" for number in range(1, migrations // APPS)]
        lines = "".join(f"    {name} = models.IntegerField(null=True)\n" for name in fields)
        (folder / label / "models.py").write_text(MODELS + lines)
        _write_migrations(package, label, fields)
    return labels


def _write_migrations(package: Path, label: str, fields: list[str]) -> None:
    create = (
        'migrations.CreateModel("Item", fields=[("id", models.BigAutoField(auto_created=True, primary_key=True, '
        'serialize=False, verbose_name="ID")), ("name", models.CharField(max_length=20))])'
    )
    operations = [
        create,
        *(f'migrations.AddField("item", "{name}", models.IntegerField(null=True))' for name in fields),
    ]
    for number, operation in enumerate(operations, 1):
        dependencies = [(label, f"{number - 1:04}_step")] if number > 1 else []
        (package / f"{number:04}_step.py").write_text(
            "from django.db import migrations, models\n\n\nclass Migration(migrations.Migration):\n"
            f"    dependencies = {dependencies!r}\n    operations = [{operation}]\n"
        )


def database_settings(url: str) -> dict[str, object]:
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": parts.username or "",
        "PASSWORD": parts.password or "",
        "HOST": parts.hostname or "",
        "PORT": parts.port or "",
    }


def measure(
    python: Path, path: list[Path], arguments: list[str], apps: list[str], database: dict[str, object]
) -> tuple[float, float]:
    """Return the seconds of processor time and of the clock that one command takes; `path` begins with the project."""
    environment = {
        # Compiled files are kept, as where the commands are in daily use.
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        "DJANGO_SETTINGS_MODULE": "bench_settings",
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "BENCH_APPS": json.dumps(apps),
        "BENCH_DATABASE": json.dumps(database),
    }
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([python, "-m", "django", *arguments], env=environment, cwd=path[0], check=True)
    after, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - started
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, clock


Runs = dict[str, dict[str, list[tuple[float, float]]]]
"""Seconds of processor and clock by command and column."""


def measure_round(found: Runs, folder: Path, labels: list[str], python: Path, postgres: PostgresService) -> None:
    """Run each command once with each package, on databases of their own."""
    # All in one environment: how many packages and links are installed beside them costs every start of Python.
    paths = {OURS: [folder, *SOURCES], DJANGO: [folder], PEER: [folder]}
    urls = {column: postgres.create_database() for column in COLUMNS}
    number = len(found[next(iter(COMMANDS))][OURS])
    for command, arguments in COMMANDS.items():
        # One directly after the other, each first in turn: a load that comes and goes meets all.
        for column in [*COLUMNS, *COLUMNS][number % 3 :][:3]:
            apps = labels if column == DJANGO else ["syzygy", *labels]
            database = database_settings(urls[column])
            found[command][column].append(measure(python, paths[column], arguments, apps, database))
    for url in urls.values():
        postgres.drop_database(url)


def best(runs: list[tuple[float, float]], clock: int) -> float:
    """The least seconds of some runs: of the processor (0) or by the clock (1)."""
    return min(run[clock] for run in runs)


def ratio(columns: dict[str, list[tuple[float, float]]]) -> float:
    """Of one command, how much more processor time its best run takes than with plain Django."""
    return best(columns[OURS], 0) / best(columns[DJANGO], 0)


def main() -> int:
    """Measure, print and judge."""
    parser = options_of(__doc__, rounds=2)
    parser.add_argument("--migrations", type=int, default=1000, help="the size of the project")
    options = parser.parse_args()
    report = Report("django-syzygy", ("django", "psycopg"))
    report.note(f"a project of {options.migrations} migrations")
    found: Runs = {name: {column: [] for column in COLUMNS} for name in COMMANDS}
    with tempfile.TemporaryDirectory() as name, start_postgres() as postgres:
        report.measured_with(postgres)
        folder = Path(name)
        wanted = [f"django-syzygy=={PEER}", *installed("django", "psycopg", "psycopg-binary")]
        python = make_environment(folder / "environment", *wanted)
        labels = write_project(folder, options.migrations)
        for number in range(options.rounds + FURTHER_ROUNDS):
            if number >= options.rounds and all(ratio(columns) <= TARGET for columns in found.values()):
                break
            measure_round(found, folder, labels, python, postgres)
    rows = {
        f"{command} ({clock})": {column: best(runs, index) for column, runs in columns.items()}
        for command, columns in found.items()
        for index, clock in enumerate(("cpu", "wall"))
    }
    report.show(Table("s a command", COLUMNS, "first/other", rows))
    for command, columns in found.items():
        report.require(f"{command} <= {TARGET} of Django's: {ratio(columns):.3f}", reached=ratio(columns) <= TARGET)
    return report.finish(options)


if __name__ == "__main__":
    sys.exit(main())
