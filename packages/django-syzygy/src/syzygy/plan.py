"""Cutting a migration plan at the deployment, forwards and backwards.

A plan is what Django's executor makes: a list of `(migration, backwards)` in the order it will run.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha1
from typing import NamedTuple, TypeAlias

from django.apps import apps
from django.db.migrations import Migration

from . import conf
from .constants import Stage
from .exceptions import AmbiguousPlan
from .inference import get_migration_stage, get_operation_stage, partition_operations, stage_of

__all__ = (
    "Plan",
    "get_migration_stage",
    "get_operation_stage",
    "get_post_deploy_plan",
    "get_pre_deploy_plan",
    "hash_plan",
    "must_post_deploy_migration",
    "partition_operations",
)

Plan: TypeAlias = list[tuple[Migration, bool]]
_Key: TypeAlias = tuple[str, str]


def hash_plan(plan: Plan) -> str:
    """Return a SHA-1 fingerprint by which processes that are about to run the same plan find each other."""
    text = ";".join(f"{migration}:{backward}" for migration, backward in plan)
    return sha1(text.encode(), usedforsecurity=False).hexdigest()


def must_post_deploy_migration(migration: Migration, backward: bool = False) -> bool | None:
    """Tell whether a migration has to wait for the deployment, `None` if it does nothing and may run anywhere.

    Reverting turns the stages around.
    """
    stage = get_migration_stage(migration)
    if stage is None:
        return None
    return (stage is Stage.PRE_DEPLOY) if backward else (stage is Stage.POST_DEPLOY)


def get_pre_deploy_plan(plan: Plan) -> Plan:
    """Return the part of a plan that runs before the deployment.

    Raises `AmbiguousPlan` where that part would run a migration without one it needs: forwards one it depends on,
    backwards one that depends on it. A migration that does nothing waits with what it needs.
    """
    needs = requirements(plan)
    postponed: dict[_Key, Migration] = {}
    kept: Plan = []
    for migration, backward in plan:
        key = _key(migration)
        obstacle = next((postponed[need] for need in sorted(needs[key]) if need in postponed), None)
        wait = must_post_deploy_migration(migration, backward)
        if wait:
            postponed[key] = migration
        elif obstacle is None:
            kept.append((migration, backward))
        elif wait is None:
            postponed[key] = obstacle
        else:
            raise AmbiguousPlan(Conflict(migration, obstacle, backward).message())
    return kept


def get_post_deploy_plan(plan: Plan) -> Plan:
    """Return the part of a plan that runs after the deployment and needs nothing that is meant for before it.

    What depends on a migration for before the deployment belongs to a release that is still to come.
    """
    needs = requirements(plan)
    left: set[_Key] = set()
    kept: Plan = []
    for migration, backward in plan:
        key = _key(migration)
        if must_post_deploy_migration(migration, backward) is False or left & needs[key]:
            left.add(key)
        else:
            kept.append((migration, backward))
    return kept


def _key(migration: Migration) -> _Key:
    return migration.app_label, migration.name


def requirements(plan: Plan) -> dict[_Key, set[_Key]]:
    """For each entry of the plan, the other entries that have to run before it."""
    needs: dict[_Key, set[_Key]] = {_key(migration): set() for migration, _ in plan}
    for first, then, backward in _edges(plan):
        if backward:
            first, then = then, first  # noqa: PLW2901
        needs[then].add(first)
    return needs


def _edges(plan: Plan) -> Iterator[tuple[_Key, _Key, bool]]:
    """Yield `(needed, needing, backward)` for every dependency between two entries."""
    names = _aliases(plan)
    for migration, backward in plan:
        key = _key(migration)
        for dependency in migration.dependencies:
            target = names.get((dependency[0], dependency[1]))
            if target not in {None, key}:
                yield target, key, backward
        for dependant in migration.run_before:
            target = names.get((dependant[0], dependant[1]))
            if target not in {None, key}:
                yield key, target, backward


def _aliases(plan: Plan) -> dict[_Key, _Key]:
    """Every name by which a dependency may call an entry: its own, those it replaces, first and latest."""
    names: dict[_Key, _Key] = {}
    for migration, _ in plan:
        names |= dict.fromkeys(((app, name) for app, name in migration.replaces), _key(migration))
    names |= {_key(migration): _key(migration) for migration, _ in plan}
    forwards = [migration for migration, backward in plan if not backward]
    backwards = [migration for migration, backward in reversed(plan) if backward]
    for migration in (*forwards, *backwards):
        app_label = migration.app_label
        if not any(dependency[0] == app_label for dependency in migration.dependencies):
            names.setdefault((app_label, "__first__"), _key(migration))
        names[app_label, "__latest__"] = _key(migration)
    return names


class Conflict(NamedTuple):
    migration: Migration
    obstacle: Migration
    backward: bool
    reason: str | None = None

    def message(self) -> str:
        verb, relation = ("reverted", "depends on it") if self.backward else ("applied", "it depends on")
        text = (
            f"The plan cannot be cut at the deployment: {self._described(self.migration)} to be {verb} before it, "
            f"but {self._obstacle(relation)}."
        )
        return " ".join([text, *filter(None, [self.reason]), *self._remedies()])

    def _obstacle(self, relation: str) -> str:
        waiting = f"{self._described(self.obstacle)} to wait until after it"
        if self.backward:
            return f"{waiting} and {relation}"
        return f"{relation} {self.obstacle} and {waiting.removeprefix(str(self.obstacle)).strip()}"

    def _described(self, migration: Migration) -> str:
        return f"{migration} is {'defined' if stage_of(migration).defined else 'inferred'}"

    def _remedies(self) -> Iterator[str]:
        undecided = [m for m in (self.migration, self.obstacle) if not stage_of(m).defined]
        own = [m for m in undecided if not _is_third_party(m)]
        foreign = [m for m in undecided if _is_third_party(m)]
        if own:
            yield f"If the inference is wrong, set `stage: syzygy.Stage` on {_listed(own)}."
        if foreign:
            settings = _listed([f"`MIGRATION_STAGES_OVERRIDE[{str(m)!r}]`" for m in foreign])
            yield f"If the inference is wrong, set {settings} to a `syzygy.Stage`."
        if self.backward:
            yield f"Otherwise revert in steps: first only {self.obstacle}, in a deployment of its own."
        else:
            yield f"Otherwise deploy in steps: first up to {self.obstacle}, then the rest."


def _listed(things: Sequence[object]) -> str:
    return " or ".join(map(str, things))


def _is_third_party(migration: Migration) -> bool:
    try:
        return conf.is_third_party_app(apps.get_app_config(migration.app_label))
    except LookupError:
        return False
