"""Deploying changes that were stacked: what destroys waits, what was built on top of it does not.

A migration for after the deployment that one for before it depends on is recorded as applied without its operations,
which are put on a list in the database. The operations of the others run on the schema as it then is, in which what
is to be removed is still there. After the deployment the list is worked off first.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

from django.db.migrations import Migration

from .exceptions import AmbiguousPlan
from .plan import Conflict, Plan, get_pre_deploy_plan, must_post_deploy_migration, requirements
from .progress import MigrationKey
from .replay import Overtaken, Replay

__all__ = ("Division", "divide_plan")


class Division(NamedTuple):
    """A plan cut at the deployment: what is done now, which of it only in the records, and what is left.

    `replay` says what the operations are then, `None` where nothing waits.
    """

    now: Plan
    deferred: set[MigrationKey]
    postponed: Plan
    replay: Replay | None = None

    @classmethod
    def leaving(cls, plan: Plan, now: Plan) -> Self:
        """Of a plan, do `now` and leave the rest."""
        kept = {_key(entry) for entry in now}
        return cls(now, set(), [entry for entry in plan if _key(entry) not in kept])


def divide_plan(plan: Plan, applied: Callable[[], Replay], waiting: Sequence[MigrationKey] = ()) -> Division:
    """Divide a plan; `applied` replays what has been applied, of which `waiting` were put off by an earlier run.

    Raises `AmbiguousPlan` where a migration for before the deployment needs what one that waits does.
    """
    if any(backward for _, backward in plan):
        return Division.leaving(plan, get_pre_deploy_plan(plan))
    needs = _transitive_requirements(plan)
    postponed: set[MigrationKey] = set()
    deferred: set[MigrationKey] = set()
    for entry in plan:
        key = _key(entry)
        behind = postponed & needs[key]
        wait = must_post_deploy_migration(entry[0])
        if wait or (wait is None and behind):
            postponed.add(key)
        else:
            deferred |= behind
    kept = [entry for entry in plan if _key(entry) not in postponed or _key(entry) in deferred]
    replay = _replayed(kept, deferred, applied()) if deferred or (waiting and kept) else None
    return Division.leaving(plan, kept)._replace(deferred=deferred, replay=replay)


def _replayed(plan: Plan, deferred: set[MigrationKey], replay: Replay) -> Replay:
    for migration, _ in plan:
        if _key((migration, False)) in deferred:
            replay.put_off(migration)
            continue
        try:
            replay.run(migration)
        except Overtaken as overtaken:
            raise AmbiguousPlan(Conflict(migration, overtaken.waiting, False).message()) from overtaken
    return replay


def _key(entry: tuple[Migration, bool]) -> MigrationKey:
    return entry[0].app_label, entry[0].name


def _transitive_requirements(plan: Plan) -> dict[MigrationKey, set[MigrationKey]]:
    direct = requirements(plan)
    found: dict[MigrationKey, set[MigrationKey]] = {}
    for entry in plan:
        needed = direct[_key(entry)]
        found[_key(entry)] = needed.union(*(found.get(key, set()) for key in needed))
    return found
