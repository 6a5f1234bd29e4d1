"""Deploying changes that were stacked: what destroys waits, what was built on top of it does not.

A migration for after the deployment that one for before it depends on is recorded as applied without its operations,
which are put on a list in the database. The operations of the others run on the schema as it then is, in which what
is to be removed is still there. After the deployment the list is worked off first. A revert goes the same way back.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

from django.db.migrations import Migration

from .exceptions import AmbiguousPlan
from .plan import Conflict, Plan, must_post_deploy_migration, requirements
from .progress import MigrationKey
from .replay import Overtaken, Replay

__all__ = ("Division", "divide_plan")


class Division(NamedTuple):
    """A plan cut at the deployment: what is done now, which of it stays on record without its operations, what is left.

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


def divide_plan(plan: Plan, replayed: Callable[..., Replay], waiting: Sequence[MigrationKey] = ()) -> Division:
    """Divide a plan. Raises `AmbiguousPlan` where what is done before the deployment needs what is done after it.

    `replayed()` follows what has been applied, of which `waiting` were put off by an earlier run; given names
    `undone` and `gone` it leaves them out, see `History.replayed_without`.
    """
    if any(backward for _, backward in plan):
        return _divide_revert(plan, replayed, waiting)
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
    replay = _replayed(kept, deferred, replayed()) if deferred or (waiting and kept) else None
    return Division.leaving(plan, kept)._replace(deferred=deferred, replay=replay)


def _divide_revert(plan: Plan, replayed: Callable[..., Replay], waiting: Sequence[MigrationKey]) -> Division:
    """Of a revert, do what the old code needs; what that was the ground for stays until the new code is gone.

    What is undone under others goes back onto the list of what waits, and stays on record: as it was after the first
    half of the deployment that is reverted.
    """
    needs = _transitive_requirements(plan)
    postponed: set[MigrationKey] = set()
    undone: set[MigrationKey] = set()
    for entry in plan:
        key = _key(entry)
        # There is nothing to undo of what never ran, whichever side it belongs to.
        wait = None if key in waiting else must_post_deploy_migration(*entry)
        if wait or (wait is None and postponed & needs[key]):
            postponed.add(key)
        elif postponed & needs[key]:
            undone.add(key)
    kept = [entry for entry in plan if _key(entry) not in postponed]
    replay = _undone(undone, {_key(entry) for entry in kept} - undone, replayed) if undone else None
    return Division.leaving(plan, kept)._replace(deferred=undone, replay=replay)


def _undone(undone: set[MigrationKey], gone: set[MigrationKey], replayed: Callable[..., Replay]) -> Replay:
    try:
        return replayed(undone, gone)
    except Overtaken as overtaken:
        raise AmbiguousPlan(
            Conflict(overtaken.waiting, overtaken.migration, True, overtaken.reason).message()
        ) from overtaken


def _replayed(plan: Plan, deferred: set[MigrationKey], replay: Replay) -> Replay:
    for migration, _ in plan:
        if _key((migration, False)) in deferred:
            replay.put_off(migration)
            continue
        try:
            replay.run(migration)
        except Overtaken as overtaken:
            raise AmbiguousPlan(
                Conflict(migration, overtaken.waiting, False, overtaken.reason).message()
            ) from overtaken
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
