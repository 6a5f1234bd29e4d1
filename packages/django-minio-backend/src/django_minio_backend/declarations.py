"""`MINIO_BUCKETS`: what a bucket shall be like, as the settings declare it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Self, cast

from pentad_config import ConfigError, Problem

__all__ = ["BucketDeclaration", "CorsRule", "LifecycleRule", "parse_declarations"]

_METHODS: Final = ("GET", "PUT", "POST", "DELETE", "HEAD")


class _Rule:
    """A rule that is written as a dictionary."""

    @classmethod
    def of(cls, place: str, written: Any) -> Self:
        """Return the rule. Raises ConfigError that names a wrong key and its place."""
        if not isinstance(written, Mapping):
            raise _refusal(f"{place}: a dictionary is needed, not {type(written).__name__}.")
        known = {one.name: one for one in fields(cast("Any", cls))}
        for key, value in written.items():
            if key not in known:
                raise _refusal(f"{place}: unknown key {key!r}; there are {', '.join(known)}.")
            _check(f"{place}[{key!r}]", str(known[key].type), value)
        return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in written.items()})


@dataclass(frozen=True)
class LifecycleRule(_Rule):
    """What happens to objects below `prefix` when they grow old; times in days.

    `expire_days` deletes objects, `noncurrent_expire_days` replaced or deleted versions, and
    `abort_uploads_days` the parts of uploads that were never completed.
    """

    prefix: str = ""
    expire_days: int | None = None
    noncurrent_expire_days: int | None = None
    abort_uploads_days: int | None = None
    id: str = ""
    enabled: bool = True
    other: str = ""
    """What a server's rule says besides; empty in a declaration."""


@dataclass(frozen=True)
class CorsRule(_Rule):
    """Which pages of other sites may use the bucket in a browser; `max_age` in seconds."""

    origins: tuple[str, ...] = ()
    methods: tuple[str, ...] = ("GET",)
    headers: tuple[str, ...] = ()
    expose: tuple[str, ...] = ()
    max_age: int | None = None


@dataclass(frozen=True)
class BucketDeclaration:
    """One bucket. None leaves what the server has as it is; an empty tuple removes all rules."""

    versioning: bool | None = None
    lifecycle: tuple[LifecycleRule, ...] | None = None
    cors: tuple[CorsRule, ...] | None = None
    policy: Mapping[str, Any] | None = None


def parse_declarations(value: Any) -> Mapping[str, BucketDeclaration]:
    """Return the declaration of each bucket. Raises ConfigError that names bucket, key and what is needed."""
    if not isinstance(value or {}, Mapping):
        raise _refusal("a dictionary is needed: the buckets' names, and for each a dictionary.")
    return {str(bucket): _declaration(f"[{bucket!r}]", written) for bucket, written in (value or {}).items()}


def _declaration(place: str, written: Any) -> BucketDeclaration:
    known = [one.name for one in fields(BucketDeclaration)]
    if not isinstance(written, Mapping):
        raise _refusal(f"{place}: a dictionary is needed, with any of {', '.join(known)}.")
    for key in written:
        if key not in known:
            raise _refusal(f"{place}: unknown key {key!r}; there are {', '.join(known)}.")
    versioning, policy = written.get("versioning"), written.get("policy")
    if versioning not in (None, True, False):
        raise _refusal(f"{place}['versioning']: True or False is needed.")
    if policy is not None and not isinstance(policy, Mapping):
        raise _refusal(f"{place}['policy']: a policy as a dictionary is needed.")
    return BucketDeclaration(
        versioning,
        _lifecycle(f"{place}['lifecycle']", written.get("lifecycle")),
        _cors(f"{place}['cors']", written.get("cors")),
        policy,
    )


def _lifecycle(place: str, written: Any) -> tuple[LifecycleRule, ...] | None:
    rules: tuple[LifecycleRule, ...] | None = _rules(LifecycleRule, place, written)
    for number, rule in enumerate(rules or ()):
        days = (rule.expire_days, rule.noncurrent_expire_days, rule.abort_uploads_days)
        if not any(days) or rule.other or any(count is not None and count < 1 for count in days):
            raise _refusal(
                f"{place}[{number}]: at least one of expire_days, noncurrent_expire_days and abort_uploads_days is "
                "needed, each a number of days from 1 on."
            )
    return rules


def _cors(place: str, written: Any) -> tuple[CorsRule, ...] | None:
    rules: tuple[CorsRule, ...] | None = _rules(CorsRule, place, written)
    for number, rule in enumerate(rules or ()):
        wrong = sorted(set(rule.methods) - set(_METHODS))
        if wrong or not rule.origins or not rule.methods:
            what = f"unknown methods {', '.join(wrong)}" if wrong else "origins and methods are needed"
            raise _refusal(f"{place}[{number}]: {what}; methods are {', '.join(_METHODS)}.")
    return rules


def _rules(kind: type[Any], place: str, written: Any) -> Any:
    if written is None:
        return None
    if not isinstance(written, (list, tuple)):
        raise _refusal(f"{place}: a list of dictionaries is needed; an empty one removes all rules.")
    return tuple(kind.of(f"{place}[{number}]", rule) for number, rule in enumerate(written))


def _check(place: str, kind: str, value: Any) -> None:
    """Refuse a value of another type than the field has; `kind` is the annotation's text."""
    fits = {
        "str": isinstance(value, str),
        "bool": isinstance(value, bool),
        "int | None": value is None or (isinstance(value, int) and not isinstance(value, bool)),
        "tuple[str, ...]": isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value),
    }[kind]
    if not fits:
        needed = {"int | None": "a whole number", "tuple[str, ...]": "a list of texts", "str": "text", "bool": "a flag"}
        raise _refusal(f"{place}: {needed[kind]} is needed, not {type(value).__name__}.")


def _refusal(what: str) -> ConfigError:
    return ConfigError([Problem("", what)])
