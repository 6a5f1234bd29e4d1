"""The examples of django-syzygy's documentation, each run as written."""

import json
import re
import shlex
from pathlib import Path

import pytest
from django.core.management.commands import check

from syzygy.management.commands import makemigrations, migrate, showmigrations

FOLDER = Path(__file__).parents[1]

AUTHOR = "class Author(models.Model):\n    name = models.CharField(max_length=9)\n"
INITIAL = (
    'migrations.CreateModel("model", fields=[("id", models.BigAutoField(primary_key=True)), '
    '("field", models.IntegerField(null=True))])'
)
HEADER = "from django.db import migrations, models\nfrom django.db.migrations import AddField, RemoveField, RunSQL\n"
NEEDS = '    dependencies = [("shop", "0001_initial")]\n'

PREREQUISITE = """
class Migration(migrations.Migration):
    operations = [
        AddField('model', 'field2', models.IntegerField(null=True))
    ]
"""
POSTPONED = """
class Migration(migrations.Migration):
    operations = [
        RemoveField('model', 'field'),
    ]
"""
EXPLICIT = """
from syzygy import Stage

class Migration(migrations.Migration):
    stage = Stage.POST_DEPLOY

    operations = [
        RunSQL('SELECT 1'),
    ]
"""
AMBIGUOUS = """
class Migration(migrations.Migration):
    operations = [
        AddField('model', 'other_field', models.IntegerField(null=True)),
        RemoveField('model', 'field'),
    ]
"""


@pytest.fixture
def shop(project):
    project.migration("0001_initial", INITIAL)
    project.run("migrate", "-v0")

    def add(source):
        source = source.replace("    operations", f"{NEEDS}    operations", 1)
        project.write("shop/migrations/0002_example.py", HEADER + source)
        return project

    return add


def test_prerequisite(shop):
    """A migration that adds a nullable field runs before the deployment."""
    assert "Applying shop.0002_example... OK" in shop(PREREQUISITE).run("migrate", "--pre-deploy")


@pytest.mark.parametrize("source", [POSTPONED, EXPLICIT], ids=["destructive", "explicit"])
def test_postponed(shop, source):
    """A destructive migration, or one with a stage of its own, waits for the deployment."""
    project = shop(source)
    assert "Applying" not in project.run("migrate", "--pre-deploy")
    assert "Applying shop.0002_example... OK" in project.run("migrate")


def test_ambiguous(shop):
    """A migration that mixes stages is an error of `check`, until a setting decides."""
    project = shop(AMBIGUOUS)
    assert "migrations.0001" in project.run("check", status=1)
    project.settings["MIGRATION_STAGES_FALLBACK"] = {"shop": "pre_deploy"}
    project.run("check")


@pytest.mark.parametrize("field", ["models.IntegerField(default=1988)", "models.IntegerField()"])
def test_field_addition_and_removal(postgres_project, field):
    """The statements that the documentation shows are the ones that PostgreSQL gets."""
    postgres_project.models(AUTHOR)
    postgres_project.run("makemigrations", "--no-input", "-v0")
    if "default" in field:
        postgres_project.models(f"{AUTHOR}    dob = {field}\n")
        postgres_project.run("makemigrations", "--no-input", "-v0")
        assert 'ADD COLUMN "dob" integer DEFAULT 1988 NOT NULL' in postgres_project.run("sqlmigrate", "shop", "0002")
        assert 'ALTER COLUMN "dob" DROP DEFAULT' in postgres_project.run("sqlmigrate", "shop", "0003")
        postgres_project.models(AUTHOR)
        postgres_project.run("makemigrations", "--no-input", "-v0")
        assert 'ALTER COLUMN "dob" SET DEFAULT 1988' in postgres_project.run("sqlmigrate", "shop", "0004")
        assert 'DROP COLUMN "dob"' in postgres_project.run("sqlmigrate", "shop", "0005")
        return
    for path in (postgres_project.folder / "shop/migrations").glob("0*.py"):
        path.unlink()
    postgres_project.models(f"{AUTHOR}    dob = {field}\n")
    postgres_project.run("makemigrations", "--no-input", "-v0")
    postgres_project.models(AUTHOR)
    postgres_project.run("makemigrations", "--no-input", "-v0")
    assert 'ALTER COLUMN "dob" DROP NOT NULL' in postgres_project.run("sqlmigrate", "shop", "0002")


def test_revert(shop):
    """A prerequisite is postponed when it is reverted."""
    project = shop(PREREQUISITE)
    project.run("migrate", "-v0")
    assert "Unapplying" not in project.run("migrate", "shop", "0001", "--pre-deploy")
    assert "Unapplying shop.0002_example... OK" in project.run("migrate", "shop", "0001")


@pytest.mark.parametrize(
    "backend",
    [
        "syzygy.quorum.backends.cache.CacheQuorum",
        {"backend": "syzygy.quorum.backends.cache.CacheQuorum", "alias": "default"},
    ],
    ids=["path", "dictionary"],
)
def test_quorum_setting(shop, backend, redis_url):
    """Both documented forms of the setting let two processes meet."""
    project = shop(PREREQUISITE)
    project.cache = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": redis_url}
    project.settings["MIGRATION_QUORUM_BACKEND"] = backend
    processes = [project.start("migrate", "--quorum", "2") for _ in range(2)]
    assert [process.finish() for process in processes] == [0, 0], [process.output for process in processes]


def documented_commands():
    """The commands of this package that the README and the site's pages tell people to run."""
    pages = [FOLDER / "README.md", *sorted((FOLDER.parents[1] / "docs/packages/django-syzygy").glob("*.md"))]
    text = "\n".join(page.read_text() for page in pages)
    manifests = [json.loads(found) for found in re.findall(r'command: (\[.*"manage.py".*\])', text)]
    typed = [shlex.split(line, comments=True) for line in re.findall(r"(?m)^python manage\.py .*$", text)]
    return sorted({tuple(command[2:]) for command in (*manifests, *typed)})


def test_documented_commands():
    """Every command on the pages, in manifests too, has options that exist."""
    commands = documented_commands()
    assert ("migrate", "--pre-deploy", "--check") in commands
    ours = {
        "makemigrations": makemigrations.Command,
        "migrate": migrate.Command,
        "showmigrations": showmigrations.Command,
    }
    for name, *arguments in commands:
        parser = ours.get(name, check.Command)().create_parser("manage.py", name)
        parser.parse_args([argument for argument in arguments if argument not in {">", "plan.json"}])
