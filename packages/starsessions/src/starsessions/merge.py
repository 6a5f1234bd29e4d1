"""Bringing together what two requests did to one session at the same time."""

from __future__ import annotations

import typing

if typing.TYPE_CHECKING:
    from starsessions.serializers import Serializer

__all__ = ["changed_keys", "merge"]

_ABSENT = object()


def merge(
    mine: dict[str, typing.Any],
    base: dict[str, typing.Any],
    theirs: dict[str, typing.Any],
    serializer: Serializer,
) -> None:
    """Bring into `mine` what `theirs` changed since `base`; a key that both changed stays as it is in `mine`.

    A key that they took out is gone, whatever `mine` has made of it: it may have been a login.
    Values count as changed when they would be stored differently, so a list and a tuple of the same items are
    the same and `1` and `True` are not.
    """
    stored = serializer.deserialize(serializer.serialize(mine))  # keys become texts, as they are in the other two
    for key in base.keys() - theirs.keys():
        mine.pop(key, None)
    for key in changed_keys(base, theirs, serializer) - changed_keys(base, stored, serializer):
        if key in theirs:
            mine[key] = theirs[key]


def changed_keys(before: dict[str, typing.Any], after: dict[str, typing.Any], serializer: Serializer) -> set[str]:
    """Return the keys whose values differ, or that only one of the two has."""
    return {
        key
        for key in {**before, **after}
        if _stored_form(before, key, serializer) != _stored_form(after, key, serializer)
    }


def _stored_form(data: dict[str, typing.Any], key: str, serializer: Serializer) -> bytes | object:
    return serializer.serialize({key: data[key]}) if key in data else _ABSENT
