"""What the package costs `migrate` and `makemigrations` on a project with 1,000 migrations.

Plain Django, django-syzygy 1.2.3 and this package run each command on the same project and PostgreSQL, in one
environment. For its processor time the three run at once and share one processor, so that they share its speed too: on
a virtual machine this changes by a third from second to second, and of runs one after the other half the ratio would be
luck. What each waits for, mostly the database, is the rest of its time by the clock while it runs alone. Judged is the
median of the ratios of processor times.
`--check` exits with 1 if such a ratio to Django is above the target, `--rounds N` measures longer, `--migrations N`
takes a project of another size. Django and django-syzygy 1.2.3 come from the package index.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import pentad_config
import syzygy
from pentad_services import PostgresService, start_postgres
from pentad_services.benchmark import OURS, Report, Table, installed, make_environment, options_of

PEER = "1.2.3"
DJANGO = "Django"
COLUMNS = {OURS: "this package", DJANGO: f"plain Django {version('django')}", PEER: f"django-syzygy {PEER}"}
TARGET = 1.1
REPEATS = 4  # in each round, of a command that leaves the database as it is
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
ALL = "migrate, all of them"
COMMANDS = {
    ALL: ["migrate", "-v0"],
    "migrate, nothing to do": ["migrate", "-v0"],
    "makemigrations, nothing to do": ["makemigrations", "--check", "--dry-run", "-v0"],
}


def write_project(folder: Path, migrations: int) -> list[str]:
    """Write apps whose migrations add fields, and models that agree with them; return the labels."""
    folder.mkdir()
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


def install_each(folder: Path, python: Path) -> dict[str, Path]:
    """Put each package into a folder of its own: the columns differ in nothing else, not even in how long a path is."""
    folders = {column: folder / column for column in COLUMNS}
    folders[DJANGO].mkdir()
    for package in (syzygy, pentad_config):
        source = Path(package.__file__).parent
        shutil.copytree(source, folders[OURS] / source.name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([python, *install, "--target", folders[PEER], f"django-syzygy=={PEER}"], check=True)
    return folders


@contextmanager
def one_processor() -> Iterator[None]:
    """Keep what is started meanwhile on one processor, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    all_of_them = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(all_of_them)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, all_of_them)


def processor_seconds(processes: dict[str, subprocess.Popen[bytes]]) -> dict[str, float]:
    """Wait for processes, and return what each took of a processor."""
    seconds = {}
    for name, process in processes.items():
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds[name] = used.ru_utime + used.ru_stime
    if failed := [name for name, process in processes.items() if process.returncode]:
        raise RuntimeError(f"{processes[failed[0]].args!r} failed with {', '.join(failed)}")
    return seconds


Runs = dict[str, dict[str, list[float]]]
"""Seconds by command and column."""


class Bench:
    """The project, what its commands are run with, and what was measured so far."""

    def __init__(self, folder: Path, migrations: int, postgres: PostgresService) -> None:
        self.folder = folder
        self.postgres = postgres
        self.python = make_environment(folder / "environment", *installed("django", "psycopg", "psycopg-binary"))
        self.packages = install_each(folder, self.python)
        self.project = folder / "project"
        self.labels = write_project(self.project, migrations)
        self.processor: Runs = {name: {column: [] for column in COLUMNS} for name in COMMANDS}
        self.waiting: Runs = {name: {column: [] for column in COLUMNS} for name in COMMANDS}
        # Nobody's first run has to compile anything.
        subprocess.run([self.python, "-m", "compileall", "-q", self.project, *self.packages.values()], check=True)
        self._turn = 0

    def round(self) -> None:
        """Run the commands with each package, together and alone, on databases of their own."""
        for run in (self._together, self._alone):
            urls = {column: self.postgres.create_database() for column in COLUMNS}
            for command in COMMANDS:
                for _ in range(1 if command == ALL else REPEATS):
                    run(command, urls)
            for url in urls.values():
                self.postgres.drop_database(url)

    def _together(self, command: str, urls: dict[str, str]) -> None:
        with one_processor():
            running = {column: self._start(command, column, urls) for column in self._in_turn()}
        for column, seconds in processor_seconds(running).items():
            self.processor[command][column].append(seconds)

    def _alone(self, command: str, urls: dict[str, str]) -> None:
        for column in self._in_turn():
            started = time.perf_counter()
            busy = processor_seconds({column: self._start(command, column, urls)})[column]
            self.waiting[command][column].append(time.perf_counter() - started - busy)

    def _in_turn(self) -> list[str]:
        """The columns, each time with another first."""
        self._turn += 1
        first = self._turn % len(COLUMNS)
        return [*COLUMNS, *COLUMNS][first:][: len(COLUMNS)]

    def _start(self, command: str, column: str, urls: dict[str, str]) -> subprocess.Popen[bytes]:
        argv = [self.python, "-m", "django", *COMMANDS[command]]
        return subprocess.Popen(argv, env=self._environment(column, urls[column]), cwd=self.project)

    def _environment(self, column: str, url: str) -> dict[str, str]:
        return {
            # Compiled files are kept, as where the commands are in daily use.
            **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
            "DJANGO_SETTINGS_MODULE": "bench_settings",
            "PYTHONPATH": os.pathsep.join(map(str, (self.project, self.packages[column]))),
            "PYTHONHASHSEED": str(self._turn),  # sets and dictionaries are laid out alike in what is compared
            "BENCH_APPS": json.dumps(self.labels if column == DJANGO else ["syzygy", *self.labels]),
            "BENCH_DATABASE": json.dumps(database_settings(url)),
        }


def typical(runs: Runs) -> dict[str, dict[str, float]]:
    """The median seconds of each command and column."""
    return {command: {column: median(found) for column, found in columns.items()} for command, columns in runs.items()}


def ratio(columns: dict[str, list[float]]) -> float:
    """How many times the processor time of plain Django beside it one command takes."""
    return median(ours / plain for ours, plain in zip(columns[OURS], columns[DJANGO], strict=True))


def main() -> int:
    """Measure, print and judge."""
    parser = options_of(__doc__, rounds=3)
    parser.add_argument("--migrations", type=int, default=1000, help="the size of the project")
    options = parser.parse_args()
    report = Report("django-syzygy", ("django", "psycopg"))
    report.note(f"a project of {options.migrations} migrations")
    with tempfile.TemporaryDirectory() as name, start_postgres() as postgres:
        report.measured_with(postgres)
        bench = Bench(Path(name), options.migrations, postgres)
        for _ in range(options.rounds):
            bench.round()
    report.show(Table("s of a processor a command", COLUMNS, "first/other", typical(bench.processor)))
    report.show(Table("s of waiting a command", COLUMNS, "first/other", typical(bench.waiting)))
    for command, columns in bench.processor.items():
        report.require(f"{command} <= {TARGET} of Django's: {ratio(columns):.3f}", reached=ratio(columns) <= TARGET)
    return report.finish(options)


if __name__ == "__main__":
    sys.exit(main())
