"""What a user's type checker sees."""

from typing import assert_type

from django.db import migrations, models

from syzygy import AmbiguousPlan, AmbiguousStage, Stage
from syzygy.operations import AlterField, RenameField, RenameModel, get_pre_add_field_operation
from syzygy.plan import Plan, get_migration_stage, get_pre_deploy_plan, hash_plan
from syzygy.quorum import join_quorum, poll_quorum, sever_quorum
from syzygy.quorum.backends.base import QuorumBase
from syzygy.quorum.backends.cache import CacheQuorum
from syzygy.quorum.backends.postgres import PostgresQuorum


class Migration(migrations.Migration):
    stage = Stage.POST_DEPLOY
    operations = [
        RenameField("book", "old", "new", Stage.PRE_DEPLOY),
        RenameModel("Old", "New", stage=Stage.POST_DEPLOY),
        AlterField("book", "pages", models.IntegerField(), stage=Stage.POST_DEPLOY, preserve_default=False),
        get_pre_add_field_operation("book", "pages", models.IntegerField(default=1)),
    ]


class Always(QuorumBase):
    def join(self, namespace: str, quorum: int) -> bool:
        return True

    def poll(self, namespace: str, quorum: int) -> bool:
        return True

    def sever(self, namespace: str, quorum: int) -> None: ...


plan: Plan = [(Migration("0001_initial", "shelf"), False)]
try:
    assert_type(get_pre_deploy_plan(plan), Plan)
except (AmbiguousPlan, AmbiguousStage) as error:
    assert_type(error, AmbiguousPlan | AmbiguousStage)
assert_type(hash_plan(plan), str)
assert_type(get_migration_stage(plan[0][0]), Stage | None)
assert_type(join_quorum("space", 2), bool)
assert_type(poll_quorum("space", quorum=2), bool)
sever_quorum("space", 2)
backends: list[QuorumBase] = [Always(), CacheQuorum(alias="quorum", timeout=60.0), PostgresQuorum()]
