"""What the package costs `migrate` and `makemigrations` on a project with 1,000 migrations, beside plain Django.

Both run each command on the same project and PostgreSQL, one directly after the other, in rounds; the best round of
each counts. Only ratios are judged, times tell about the machine. `--check` exits with 1 if a ratio stays above the
target, `--rounds N` measures longer, `--migrations N` takes a project of another size.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import django

from pentad_services import start_postgres

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


def measure(folder: Path, arguments: list[str], apps: list[str], database: dict[str, object]) -> tuple[float, float]:
    """Return the seconds of processor time and of the clock that one command takes."""
    environment = {
        # Compiled files are kept, as where the commands are in daily use.
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        "DJANGO_SETTINGS_MODULE": "bench_settings",
        "PYTHONPATH": str(folder),
        "BENCH_APPS": json.dumps(apps),
        "BENCH_DATABASE": json.dumps(database),
    }
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-m", "django", *arguments], env=environment, cwd=folder, check=True)
    after, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - started
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, clock


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--migrations", type=int, default=1000)
    options = parser.parse_args()
    found: dict[str, dict[str, list[tuple[float, float]]]] = {name: {"django": [], "syzygy": []} for name in COMMANDS}
    with tempfile.TemporaryDirectory() as name, start_postgres() as postgres:
        folder = Path(name)
        labels = write_project(folder, options.migrations)
        for number in range(options.rounds + FURTHER_ROUNDS):
            if number >= options.rounds and not any(ratios(kinds)[0] > TARGET for kinds in found.values()):
                break
            kinds = {"django": labels, "syzygy": ["syzygy", *labels]}
            urls = {kind: postgres.create_database() for kind in kinds}
            for command, arguments in COMMANDS.items():
                # One directly after the other, each first in turn: a load that comes and goes meets both.
                for kind in sorted(kinds, reverse=number % 2 == 1):
                    database = database_settings(urls[kind])
                    found[command][kind].append(measure(folder, arguments, kinds[kind], database))
            for url in urls.values():
                postgres.drop_database(url)
    return report(found, options)


def ratios(kinds: dict[str, list[tuple[float, float]]]) -> tuple[float, float]:
    """Of one command, how much longer its best run takes with the package: by processor time, by the clock."""
    cpu, clock = (
        min(run[index] for run in kinds["syzygy"]) / min(run[index] for run in kinds["django"]) for index in (0, 1)
    )
    return cpu, clock


def report(found: dict[str, dict[str, list[tuple[float, float]]]], options: argparse.Namespace) -> int:
    """Print a table; return 1 if a ratio of processor time is above the target and that is to be checked."""
    print(f"{options.migrations} migrations, Django {django.__version__}, Python {platform.python_version()}, ", end="")
    print(f"best of {len(next(iter(found.values()))['django'])} rounds, target {TARGET}")
    missed = False
    for command, kinds in found.items():
        best = {kind: (min(cpu for cpu, _ in runs), min(clock for _, clock in runs)) for kind, runs in kinds.items()}
        cpu_ratio, clock_ratio = ratios(kinds)
        missed = missed or cpu_ratio > TARGET
        print(
            f"  {command:30}  cpu {best['django'][0]:6.2f} s -> {best['syzygy'][0]:6.2f} s, ratio {cpu_ratio:.3f}"
            f"   clock {best['django'][1]:6.2f} s -> {best['syzygy'][1]:6.2f} s, ratio {clock_ratio:.3f}"
        )
    return int(missed and options.check)


if __name__ == "__main__":
    sys.exit(main())
