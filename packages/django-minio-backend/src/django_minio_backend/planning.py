"""The difference between the buckets on the servers and those that the settings declare."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from difflib import ndiff
from typing import TYPE_CHECKING, Any

from django_minio_backend.buckets import Buckets
from django_minio_backend.declarations import BucketDeclaration
from django_minio_backend.policies import public_read_policy, same_policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from django_minio_backend.administration import Administration
    from django_minio_backend.declarations import CorsRule

__all__ = ["Change", "changes_of"]


@dataclass(frozen=True)
class Change:
    """One thing that a bucket lacks or has otherwise: `before` and `after` are what to show, None for nothing."""

    base_url: str
    bucket: str
    what: str
    before: Any
    after: Any
    done: str
    """What to report once it is applied."""
    apply: Callable[[], Any]

    def __str__(self) -> str:
        """The difference, a line for what it is about, then removed lines with `-` and added ones with `+`."""
        before, after = (_lines(value) for value in (self.before, self.after))
        changed = [f"    {line}" for line in ndiff(before, after) if line[0] in "+-"]
        return "\n".join([f"{self.base_url}/{self.bucket}: {self.what}", *changed])


def _lines(value: Any) -> list[str]:
    return [] if value is None else json.dumps(value, indent=2, sort_keys=True).splitlines()


@dataclass(frozen=True)
class _Target:
    """A bucket with all that is declared for it."""

    storage: Administration
    bucket: str
    declared: BucketDeclaration
    hook: dict[str, Any] | None

    @property
    def buckets(self) -> Buckets:
        return Buckets(self.storage.connection)

    def change(self, what: str, before: Any, after: Any, done: str, apply: Callable[[], Any]) -> Change:
        return Change(self.storage.base_url, self.bucket, what, before, after, f"Bucket ({self.bucket}) {done}", apply)

    def policy(self) -> tuple[dict[str, Any] | None, str]:
        """Return the policy the bucket shall have, and how it is called in reports."""
        if self.hook is not None:
            return self.hook, "by policy hook"
        if self.declared.policy is not None:
            return dict(self.declared.policy), "as declared"
        if self.bucket in self.storage.PUBLIC_BUCKETS:
            listing = bool(self.storage.options.get("MINIO_PUBLIC_LISTING"))
            return public_read_policy(self.bucket, listing=listing), "to public"
        return None, "to private"


def changes_of(storages: Iterable[Administration], only: str | None = None) -> list[tuple[str, list[Change]]]:
    """Return each declared bucket with what has to change, and last, under no name, what policy hooks change.

    `only` leaves out all buckets but one. Nothing is written. Raises what the servers or the connections raise.
    """
    targets = [target for target in _targets(storages) if only in (None, target.bucket)]
    existing = {id(target): target.buckets.exists(target.bucket) for target in targets}
    per_bucket = [(target.bucket, list(_changes(target, exists=existing[id(target)]))) for target in targets]
    hooked = [target for target in targets if target.hook is not None]
    return [*per_bucket, ("", [change for one in hooked for change in _policy(one, exists=existing[id(one)])])]


def _targets(storages: Iterable[Administration]) -> Iterator[_Target]:
    """Yield each declared bucket of each server once; a public declaration is heeded before a missing one."""
    storages = list(storages)
    hooks: dict[tuple[str, str], dict[str, Any]] = {}
    declared: dict[tuple[str, str], BucketDeclaration] = {}
    places: dict[tuple[str, str], Administration] = {}
    for storage in storages:
        hooks |= {(storage.base_url, bucket): policy for bucket, policy in storage.policy_hooks()}
        declared |= {(storage.base_url, bucket): what for bucket, what in storage.bucket_declarations().items()}
        for bucket in storage.declared_buckets():
            places.setdefault((storage.base_url, bucket), storage)
    for storage in storages:
        for bucket in [*storage.bucket_declarations(), *(bucket for bucket, _ in storage.policy_hooks())]:
            places.setdefault((storage.base_url, bucket), storage)
    for place, storage in places.items():
        yield _Target(storage, place[1], declared.get(place, BucketDeclaration()), hooks.get(place))


def _changes(target: _Target, *, exists: bool) -> Iterator[Change]:
    buckets, bucket = target.buckets, target.bucket
    if not exists:
        yield target.change("create", None, "an empty bucket", "has been created", lambda: buckets.ensure(bucket))
    if target.hook is None:
        yield from _policy(target, exists=exists)
    yield from _versioning(target, exists=exists)
    yield from _lifecycle(target, exists=exists)
    yield from _cors(target, exists=exists)


def _policy(target: _Target, *, exists: bool) -> Iterator[Change]:
    buckets, bucket = target.buckets, target.bucket
    wanted, kind = target.policy()
    found = buckets.policy(bucket) if exists else None
    if (found is None and wanted is None) or (found is not None and same_policy(found, wanted)):
        return

    def apply() -> None:
        if wanted is None:
            buckets.remove_policy(bucket)
        else:
            buckets.set_policy(bucket, wanted)

    yield target.change("policy", found, wanted, f"policy has been set {kind}", apply)


def _versioning(target: _Target, *, exists: bool) -> Iterator[Change]:
    buckets, bucket, wanted = target.buckets, target.bucket, target.declared.versioning
    if wanted is None:
        return
    found = buckets.versioning(bucket) if exists else False
    if found != wanted:
        done = f"versioning has been {'enabled' if wanted else 'suspended'}"
        yield target.change("versioning", found, wanted, done, lambda: buckets.set_versioning(bucket, wanted))


def _lifecycle(target: _Target, *, exists: bool) -> Iterator[Change]:
    buckets, bucket, wanted = target.buckets, target.bucket, target.declared.lifecycle
    if wanted is None:
        return
    found = buckets.lifecycle(bucket) if exists else ()
    numbered = tuple(replace(rule, id=rule.id or f"rule-{number}") for number, rule in enumerate(wanted, 1))
    if set(found) != set(numbered):
        before, after = ([asdict(rule) for rule in rules] for rules in (found, numbered))
        done = "lifecycle has been set"
        yield target.change("lifecycle", before, after, done, lambda: buckets.set_lifecycle(bucket, numbered))


def _cors(target: _Target, *, exists: bool) -> Iterator[Change]:
    buckets, bucket, wanted = target.buckets, target.bucket, target.declared.cors
    if wanted is None:
        return
    found = buckets.cors(bucket) if exists else ()
    if not _same_cors(found, wanted):
        before, after = ([asdict(rule) for rule in rules] for rules in (found, wanted))
        yield target.change("cors", before, after, "CORS has been set", lambda: buckets.set_cors(bucket, wanted))


def _same_cors(some: Iterable[CorsRule], others: Iterable[CorsRule]) -> bool:
    """Tell whether rules say the same in the same order; the order within a rule does not count."""
    return [_unordered(rule) for rule in some] == [_unordered(rule) for rule in others]


def _unordered(rule: CorsRule) -> dict[str, Any]:
    return {key: set(value) if isinstance(value, tuple) else value for key, value in asdict(rule).items()}
