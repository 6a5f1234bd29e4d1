"""Stages, and plans cut at the deployment."""

import os
import site
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import migrations, models
from django.db.models.functions import Lower
from django.test import override_settings

from syzygy import AmbiguousPlan, AmbiguousStage, Stage, conf
from syzygy.exceptions import InvalidStage
from syzygy.operations import AlterField
from syzygy.plan import (
    get_migration_stage,
    get_operation_stage,
    get_pre_deploy_plan,
    hash_plan,
    must_post_deploy_migration,
    partition_operations,
)

PRE, POST = Stage.PRE_DEPLOY, Stage.POST_DEPLOY
ADD = migrations.AddField("m", "a", models.IntegerField(null=True))
REMOVE = migrations.RemoveField("m", "b")


def migration(name, *operations, app="tests", needs=(), **attributes):
    made = migrations.Migration(name, app)
    made.operations = list(operations)
    made.dependencies = [(app, need) if isinstance(need, str) else need for need in needs]
    for attribute, value in attributes.items():
        setattr(made, attribute, value)
    return made


class OwnRemoval(migrations.RemoveField):
    """A removal that a project has made its own."""


STAGED = [
    (PRE, ADD),
    (PRE, migrations.AlterField("m", "a", models.IntegerField())),
    (PRE, migrations.RenameField("m", "a", "b")),
    (PRE, migrations.RenameModel("m", "n")),
    (PRE, migrations.RemoveIndex("m", "i")),
    (PRE, migrations.RemoveConstraint("m", "c")),
    (PRE, migrations.RunSQL("DROP TABLE m")),
    (PRE, migrations.RunPython(print)),
    (PRE, migrations.SeparateDatabaseAndState([REMOVE], [REMOVE])),
    (POST, REMOVE),
    (POST, OwnRemoval("m", "b")),
    (POST, migrations.DeleteModel("m")),
]


@pytest.mark.parametrize(("stage", "operation"), STAGED, ids=lambda value: type(value).__name__)
def test_operation_stages(stage, operation):
    """Removals of fields and models wait, everything else goes first: what an operation does is not looked into."""
    assert get_operation_stage(operation) is stage


def test_stage_of_an_operation():
    """An operation's own stage wins."""
    assert get_operation_stage(AlterField("m", "a", models.IntegerField(), POST)) is POST
    sql = migrations.RunSQL("SELECT 1")
    sql.stage = "post_deployment"
    assert get_operation_stage(sql) is POST


def test_migration_stages():
    """A migration has the stage of its operations; without any it has none; mixed it is ambiguous."""
    assert get_migration_stage(migration("0001", ADD)) is PRE
    assert get_migration_stage(migration("0001", REMOVE, migrations.DeleteModel("m"))) is POST
    assert get_migration_stage(migration("0001")) is None
    with pytest.raises(AmbiguousStage, match=r"tests\.0001"):
        get_migration_stage(migration("0001", ADD, REMOVE))


def test_stages_of_squashed_migrations():
    """Nobody uses yet what a squashed migration makes, so that nothing in it has to wait; what it does to others does."""
    create = migrations.CreateModel("M", [("id", models.BigAutoField(primary_key=True))])
    own = [create, migrations.RenameModel("M", "N"), AlterField("n", "a", models.IntegerField(), POST)]
    squashed = migration("0001_squashed", *own, migrations.DeleteModel("N"))
    squashed.replaces = [("tests", "0001"), ("tests", "0002")]
    assert get_migration_stage(squashed) is PRE
    squashed.operations = [*own, migrations.RemoveField("other", "a")]
    with pytest.raises(AmbiguousStage, match=r"tests\.0001_squashed"):
        get_migration_stage(squashed)


def test_stage_attribute():
    """The class attribute wins over everything."""
    with override_settings(MIGRATION_STAGES_OVERRIDE={"tests": PRE}):
        assert get_migration_stage(migration("0001", ADD, REMOVE, stage=POST)) is POST


@pytest.mark.parametrize("text", ["pre_deploy", "PRE_DEPLOY"])
def test_stage_attribute_as_text(text):
    """Text that names a stage is that stage."""
    assert get_migration_stage(migration("0001", REMOVE, stage=text)) is PRE


def test_stage_attribute_that_is_none():
    """Text that names no stage is refused rather than taken for the other one."""
    with pytest.raises(InvalidStage, match=r"stage of tests\.0001 is 'soon'.*PRE_DEPLOY"):
        get_migration_stage(migration("0001", ADD, stage="soon"))


@pytest.mark.parametrize("key", ["tests", "tests.0001"])
def test_override_setting(key):
    """The override is used before the operations are looked at, for a migration or a whole app."""
    with override_settings(MIGRATION_STAGES_OVERRIDE={key: "post_deploy"}):
        assert get_migration_stage(migration("0001", ADD)) is POST
    assert get_migration_stage(migration("0001", ADD)) is PRE


def test_override_of_one_migration_wins():
    """A migration's own entry wins over its app's."""
    with override_settings(MIGRATION_STAGES_OVERRIDE={"tests": POST, "tests.0001": PRE}):
        assert get_migration_stage(migration("0001", REMOVE)) is PRE
        assert get_migration_stage(migration("0002", ADD)) is POST


@pytest.mark.parametrize("key", ["tests", "tests.0001"])
def test_fallback_setting(key):
    """The fallback decides only what is ambiguous."""
    with override_settings(MIGRATION_STAGES_FALLBACK={key: POST}):
        assert get_migration_stage(migration("0001", ADD, REMOVE)) is POST
        assert get_migration_stage(migration("0001", ADD)) is PRE


def test_deleted_setting():
    """A setting that disappears is no setting."""
    with override_settings(MIGRATION_STAGES_OVERRIDE={"tests": POST}):
        with override_settings():
            del settings.MIGRATION_STAGES_OVERRIDE
            conf._configure()
            assert conf.MIGRATION_STAGES_OVERRIDE == {}
        conf._configure()
    assert get_migration_stage(migration("0001", ADD)) is PRE


def test_all_wrong_settings_at_once():
    """Every wrong stage is named in one error."""
    wrong = {"MIGRATION_STAGES_FALLBACK": {"c": "soon"}, "MIGRATION_STAGES_OVERRIDE": {"a": "later", "b": PRE}}
    with (
        pytest.raises(ImproperlyConfigured, match=r"OVERRIDE\['a'\] is 'later'.*FALLBACK\['c'\] is 'soon'"),
        SettingsChanged(**wrong),
    ):
        pytest.fail("the settings were accepted")


class SettingsChanged:
    """Both settings at once, read once."""

    def __init__(self, **values):
        self.values = values

    def __enter__(self):
        for name, value in self.values.items():
            setattr(settings, name, value)
        try:
            conf._configure()
        except ImproperlyConfigured:
            self.__exit__()
            raise

    def __exit__(self, *_):
        for name in self.values:
            delattr(settings, name)
        conf._configure()


def test_third_party_fallback():
    """Installed apps fall back to the pre-deployment stage, another one, or none; the user's dictionary stays."""
    fallback = {"tests": POST}
    with override_settings(MIGRATION_STAGES_FALLBACK=fallback):
        assert conf.MIGRATION_STAGES_FALLBACK["auth"] is PRE
        assert get_migration_stage(migration("0001", ADD, REMOVE, app="auth")) is PRE
        assert fallback == {"tests": POST}
    with override_settings(MIGRATION_THIRD_PARTY_STAGES_FALLBACK=POST):
        assert conf.MIGRATION_STAGES_FALLBACK["auth"] is POST
    with override_settings(MIGRATION_THIRD_PARTY_STAGES_FALLBACK=None):
        assert "auth" not in conf.MIGRATION_STAGES_FALLBACK
    with override_settings(MIGRATION_STAGES_FALLBACK={"auth": POST}):
        assert conf.MIGRATION_STAGES_FALLBACK["auth"] is POST


def app_at(path, name="app"):
    return SimpleNamespace(path=str(path), name=name, label=name)


def test_third_party_apps(tmp_path, monkeypatch):
    """What lies in a package folder or an installation that is not the project's is third-party."""
    assert conf.is_third_party_app(apps.get_app_config("auth"))
    assert conf.is_third_party_app(app_at(site.PREFIXES[0]))
    assert conf.is_third_party_app(app_at(os.path.join(site.getusersitepackages(), "app")))
    assert not conf.is_third_party_app(app_at(tmp_path / "app"))
    assert not conf.is_third_party_app(app_at(f"{site.PREFIXES[0]}-of-ours/app"))


def test_project_below_the_prefix(tmp_path, monkeypatch):
    """A project below the interpreter's prefix, as in /usr/src on Debian, is not third-party; its packages are."""
    monkeypatch.setattr(site, "PREFIXES", [str(tmp_path)])
    monkeypatch.setattr(conf, "_settings_file", lambda: str(tmp_path / "src/project/settings.py"))
    monkeypatch.setattr(conf, "_package_folders", lambda: (tmp_path / "lib/python3/dist-packages",))
    assert not conf.is_third_party_app(app_at(tmp_path / "src/project/shop"))
    assert conf.is_third_party_app(app_at(tmp_path / "lib/python3/dist-packages/app"))


def test_project_installed_as_a_package(tmp_path, monkeypatch):
    """The package that holds the settings is the project even in site-packages."""
    monkeypatch.setattr(conf, "_settings_file", lambda: str(tmp_path / "lib/portal/settings.py"))
    monkeypatch.setattr(conf, "_package_folders", lambda: (tmp_path / "lib",))
    monkeypatch.setattr(conf, "settings", SimpleNamespace(SETTINGS_MODULE="portal.settings"))
    assert not conf.is_third_party_app(app_at(tmp_path / "lib/portal/shop", "portal.shop"))
    assert conf.is_third_party_app(app_at(tmp_path / "lib/other", "other"))


CHECKED = models.CheckConstraint(condition=models.Q(c__gte=models.F("d")) | ~models.Q(a=1), name="check")
BY_CODE = models.CheckConstraint(condition=models.Q(a=Lower("x")), name="code")


@pytest.mark.parametrize(
    ("operation", "name", "moves"),
    [
        (migrations.AddField("other", "to", models.ManyToManyField("tests.M")), "b", True),
        (migrations.AddField("m", "self", models.ForeignKey("tests.M", models.CASCADE)), "b", True),
        (migrations.AddField("other", "to", models.ForeignKey("tests.M", models.CASCADE, to_field="b")), "b", False),
        (migrations.CreateModel("other", [("to", models.ForeignKey("tests.M", models.CASCADE))]), "b", True),
        (migrations.CreateModel("other", [], bases=("tests.M",)), "b", False),
        (migrations.AddConstraint("m", CHECKED), "b", True),
        (migrations.AddConstraint("m", CHECKED), "d", False),
        (migrations.AddConstraint("m", BY_CODE), "b", False),
    ],
)
def test_what_moves_in_front_of_a_removal(operation, name, moves):
    """Relations and constraints move in front of the removal of a field that they do not name."""
    if moves:
        removal = migrations.RemoveField("m", name)
        assert partition_operations([removal, operation], "tests") == ([operation], [removal])
        return
    with pytest.raises(AmbiguousStage, match=f"Remove field {name} from m"):
        partition_operations([migrations.RemoveField("m", name), operation], "tests")


def test_a_primary_key_goes():
    """What points to a model stays behind the removal of a field that may be what it points to."""
    relation = migrations.AddField("other", "to", models.ManyToManyField("tests.M"))
    new_key = migrations.AddField("m", "id", models.BigAutoField(primary_key=True))
    with pytest.raises(AmbiguousStage):
        partition_operations([migrations.RemoveField("m", "b"), new_key, relation], "tests")


def test_partition():
    """Operations keep their order, and those for before move in front where that changes nothing."""
    other = migrations.AddField("other", "c", models.IntegerField(null=True))
    assert partition_operations([ADD, REMOVE, other], "tests") == ([ADD, other], [REMOVE])
    assert partition_operations([], "tests") == ([], [])
    with pytest.raises(AmbiguousStage, match="Add field b"):
        partition_operations([REMOVE, migrations.AddField("m", "b", models.IntegerField(null=True))], "tests")
    with pytest.raises(AmbiguousStage, match="Raw SQL"):
        partition_operations([REMOVE, migrations.RunSQL("SELECT 1")], "tests")


def test_hash():
    """The fingerprint of a plan is fixed: all hosts and all releases have to agree on it."""
    assert hash_plan([(migration("0001_initial"), True)]) == "a4a35230c7d1942265f1bc8f9ce53e05a50848be"
    two = [(migration("0001"), False), (migration("0002"), False)]
    assert len({hash_plan(two), hash_plan(two[:1]), hash_plan([(m, True) for m, _ in two])}) == 3


def test_must_post_deploy():
    """Reverting turns the stages around; a migration that does nothing has none."""
    assert must_post_deploy_migration(migration("0001", ADD)) is False
    assert must_post_deploy_migration(migration("0001", ADD), backward=True) is True
    assert must_post_deploy_migration(migration("0001", REMOVE)) is True
    assert must_post_deploy_migration(migration("0001", REMOVE), True) is False
    assert must_post_deploy_migration(migration("0001")) is None


def forwards(*entries):
    return [(entry, False) for entry in entries]


def test_plan_is_cut():
    """Migrations for after the deployment are left out, other apps' are not held up."""
    first, second = migration("0001", ADD), migration("0002", REMOVE, needs=["0001"])
    other = migration("0001", ADD, app="other")
    assert get_pre_deploy_plan(forwards(first, second, other)) == forwards(first, other)
    assert get_pre_deploy_plan([]) == []


@pytest.mark.parametrize("kind", ["name", "latest", "run_before", "replaced"])
def test_plan_that_cannot_be_cut(kind):
    """A migration for before the deployment that needs one for after it is refused, however it says so."""
    later = migration("0002", REMOVE)
    earlier = migration("0003", ADD)
    if kind == "run_before":
        later.run_before = [("tests", "0003")]
    elif kind == "replaced":
        later.replaces = [("tests", "0002_part")]
        earlier.dependencies = [("tests", "0002_part")]
    elif kind == "latest":
        later.app_label = "other"
        earlier.dependencies = [("other", "__latest__")]
    else:
        earlier.dependencies = [("tests", "0002")]
    with pytest.raises(AmbiguousPlan, match=r"tests\.0003 is inferred to be applied before.*\.0002"):
        get_pre_deploy_plan(forwards(later, earlier))


def message(later, earlier):
    earlier.dependencies = [(later.app_label, later.name)]
    with pytest.raises(AmbiguousPlan) as caught:
        get_pre_deploy_plan(forwards(later, earlier))
    return str(caught.value)


def test_refusal_says_what_to_do():
    """The refusal names who decided each stage, and the remedy that fits each migration."""
    text = message(migration("0001", REMOVE), migration("0002", ADD))
    assert "`stage: syzygy.Stage` on tests.0001 or tests.0002" in text.replace(
        "tests.0002 or tests.0001", "tests.0001 or tests.0002"
    )
    text = message(migration("0001", REMOVE, app="auth"), migration("0002", ADD, stage=PRE))
    assert "tests.0002 is defined" in text
    assert "`MIGRATION_STAGES_OVERRIDE['auth.0001']`" in text
    assert "`stage: syzygy.Stage` on" not in text
    text = message(migration("0001", REMOVE, stage=POST), migration("0002", ADD, stage=PRE))
    assert "inference" not in text
    assert "MIGRATION_STAGES_OVERRIDE" not in text


def test_empty_migration_waits_with_what_it_needs():
    """A merge migration goes to the side of its dependencies, and holds up what needs it."""
    first, later = migration("0001", ADD), migration("0002", REMOVE)
    merge = migration("0003_merge", needs=["0001", "0002"])
    assert get_pre_deploy_plan(forwards(first, later, merge)) == forwards(first)
    with pytest.raises(AmbiguousPlan):
        get_pre_deploy_plan(forwards(first, later, merge, migration("0004", ADD, needs=["0003_merge"])))


def test_backwards_plan():
    """What was added after the deployment is reverted before the next, unless something still stands on it."""
    first, second = migration("0001", ADD), migration("0002", REMOVE, needs=["0001"])
    assert get_pre_deploy_plan([(second, True), (first, True)]) == [(second, True)]
    third = migration("0003", ADD, needs=["0002"])
    with pytest.raises(AmbiguousPlan, match=r"tests\.0002 is inferred to be reverted before.*tests\.0003"):
        get_pre_deploy_plan([(third, True), (second, True), (first, True)])
