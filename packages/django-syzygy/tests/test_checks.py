"""The system checks."""

import sys

import pytest
from django.apps import AppConfig
from django.core import checks
from django.test import override_settings

from syzygy import Stage
from syzygy.checks import check_migrations, check_settings, check_stage_settings
from syzygy.migration_settings import MigrationSettings

MIXED = """
from django.db import migrations, models
class Migration(migrations.Migration):
    {attribute}
    operations = [
        migrations.AddField("m", "other_field", models.IntegerField(null=True)),
        migrations.RemoveField("m", "field"),
    ]
"""


@pytest.fixture
def app(tmp_path, monkeypatch):
    """An app whose migrations are written by the test."""
    name = f"checked_{tmp_path.name}".replace("-", "_")
    folder = tmp_path / name / "migrations"
    folder.mkdir(parents=True)
    (tmp_path / name / "__init__.py").write_text("")
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    config = AppConfig.create(name)
    config.migrations = folder
    monkeypatch.setattr(
        "syzygy.checks.MigrationLoader.migrations_module", staticmethod(lambda label: (f"{name}.migrations", False))
    )
    yield config
    for module in [module for module in sys.modules if module.startswith(name)]:
        del sys.modules[module]


def found(app):
    return check_migrations(app_configs=[app])


def test_ambiguous_migration(app):
    """A file that mixes stages is an error with the documented identity."""
    (app.migrations / "0001_mixed.py").write_text(MIXED.format(attribute="pass"))
    (error,) = found(app)
    assert isinstance(error, checks.Error)
    assert error.id == "migrations.0001"
    assert error.obj == (app.label, "0001_mixed")
    assert f"{app.label}.0001_mixed" in error.msg
    assert "MIGRATION_STAGES_OVERRIDE" in error.hint
    assert "MIGRATION_STAGES_FALLBACK" in error.hint


def test_explicit_stage(app):
    """A stage on the class settles it, one that is no stage is an error too."""
    (app.migrations / "0001_staged.py").write_text(MIXED.format(attribute="stage = 'pre_deploy'"))
    assert found(app) == []
    (app.migrations / "0002_wrong.py").write_text(MIXED.format(attribute="stage = 'soon'"))
    (error,) = found(app)
    assert "'soon'" in error.msg


def test_files_that_are_no_migrations(app):
    """Files without a migration, private ones and broken ones are left to Django."""
    (app.migrations / "0001_other.py").write_text("")
    (app.migrations / "_private.py").write_text(MIXED.format(attribute="pass"))
    (app.migrations / "0002_broken.py").write_text("import no_such_module")
    assert found(app) == []


def test_namespace_package(app):
    """A migrations folder without __init__ is not a migrations package."""
    (app.migrations / "0001_mixed.py").write_text(MIXED.format(attribute="pass"))
    (app.migrations / "__init__.py").unlink()
    assert found(app) == []


def test_app_without_migrations(app):
    """No package, no message."""
    for path in app.migrations.iterdir():
        path.unlink()
    app.migrations.rmdir()
    assert found(app) == []


def test_registered():
    """`manage.py check --tag migrations` runs it over all apps; Django's own apps pass."""
    assert checks.run_checks(tags=["migrations"]) == []


def test_misspelt_settings():
    """A setting for something that does not exist is a warning that suggests what does."""
    stages = {"atuh": Stage.PRE_DEPLOY, "auth.0001_inital": Stage.PRE_DEPLOY, "auth.0001_initial": Stage.PRE_DEPLOY}
    with override_settings(MIGRATION_STAGES_OVERRIDE=stages):
        label, name = check_stage_settings()
    assert label.hint == "Did you mean 'auth'?"
    assert name.hint == "Did you mean '0001_initial'?"
    assert {label.id, name.id} == {"migrations.W0002"}


WRONG = {
    "MIGRATION_STAGES_OVERRIDE": {"shop": "pre_deplyo", 5: "pre_deploy", "shpo": "pre_deploy"},
    "MIGRATION_STAGES_FALLBACK": ["shop"],
    "MIGRATION_THIRD_PARTY_STAGES_FALLBACK": "after",
    "MIGRATION_QUORUM_BACKEND": {"alias": "default"},
    "MIGRATION_STAGE_OVERRIDE": {},
}
EXPECTED = (
    "MIGRATION_STAGE_OVERRIDE: unknown setting. Did you mean MIGRATION_STAGES_OVERRIDE?",
    "MIGRATION_STAGES_OVERRIDE['shop'] is 'pre_deplyo', which is not a deployment stage. Did you mean 'pre_deploy'?",
    "MIGRATION_STAGES_OVERRIDE has the key 5; keys are 'app_label' or 'app_label.migration'.",
    "MIGRATION_STAGES_FALLBACK must be a dictionary of app labels or migration names to stages.",
    "MIGRATION_THIRD_PARTY_STAGES_FALLBACK is 'after', which is not a deployment stage. Use syzygy.Stage.PRE_DEPLOY",
    "MIGRATION_QUORUM_BACKEND must be the import path of a backend",
)


def test_all_problems_in_one_check(project):
    """`manage.py check` starts with wrong settings and tells them all, with the module they are in."""
    project.settings.update(WRONG)
    output = project.run("check", status=1)
    for line in EXPECTED:
        assert f"project_settings_module: (migrations.E0003) {line}" in output
    assert "MIGRATION_STAGES_OVERRIDE['shpo'] names app 'shpo', which does not exist." in output
    assert "Did you mean 'shop'?" in output
    assert "Traceback" not in output


def test_while_the_settings_are_wrong_no_migration_is_blamed(app):
    """Perhaps one of them would have said what its stage is."""
    (app.migrations / "0001_mixed.py").write_text(MIXED.format(attribute="pass"))
    with override_settings(MIGRATION_STAGE_FALLBACK={app.label: "pre_deploy"}):
        assert found(app) == []
        (error,) = check_settings()
    assert error.msg == "MIGRATION_STAGE_FALLBACK: unknown setting. Did you mean MIGRATION_STAGES_FALLBACK?"
    assert len(found(app)) == 1


@pytest.mark.parametrize("command", [["migrate"], ["makemigrations"]])
def test_no_command_guesses_a_stage(project, command):
    """With wrong settings nothing is migrated or written, also when the checks are skipped."""
    project.settings["MIGRATION_STAGES_FALLBACK"] = {"shop": "later"}
    output = project.run(*command, "--skip-checks", status=1)
    assert output.startswith("CommandError: The settings of the stages are wrong:\n  MIGRATION_STAGES_FALLBACK['shop']")


def test_the_environment_is_not_asked(monkeypatch):
    """A variable of a setting's name changes nothing, and one that looks misspelt is nobody's business."""
    monkeypatch.setenv("MIGRATION_STAGES_OVERRIDE", "nonsense")
    monkeypatch.setenv("MIGRATION_STAGE_OVERRIDE", "nonsense")
    assert check_settings() == []
    assert MigrationSettings.current().stages_override == {}


def test_django_s_own_settings_are_not_misspelt_ones():
    """`MIGRATION_MODULES` is Django's."""
    with override_settings(MIGRATION_MODULES={"auth": "auth.migrations"}):
        assert check_settings() == []


@pytest.mark.parametrize(
    ("declared", "problem"),
    [("postgresql", "must be a list"), (["postgres"], "names 'postgres'"), ([], "must be a list")],
)
def test_vendors_that_are_none(declared, problem):
    """The vendors to write migrations for are a list of those that Django knows."""
    with override_settings(MIGRATION_DATABASE_VENDORS=declared):
        (error,) = check_settings()
    assert problem in error.msg


def test_vendors_of_the_deployment(project):
    """Who develops on SQLite and deploys to PostgreSQL gets the migrations of PostgreSQL, which run on both."""
    project.models("class Item(models.Model):\n    n = models.IntegerField()\n")
    project.run("makemigrations", "-v0")
    project.run("migrate", "-v0")
    project.models("class Item(models.Model):\n    n = models.IntegerField(db_index=True)\n")
    project.settings["MIGRATION_DATABASE_VENDORS"] = ["postgresql"]
    project.run("makemigrations", "-v0")
    assert "AlterFieldOnline" in project.source(project.migrations()[-1])
    project.run("migrate")
