"""Steps that the tests of the contract have in common."""

from __future__ import annotations

import inspect
import typing

import pytest

from starsessions.ids import generate_session_id

if typing.TYPE_CHECKING:
    from starsessions.stores import SessionStore

__all__ = ["LIFETIME", "SHORT_TTL", "Advance", "needs", "pass_time", "written"]

LIFETIME = 3600
# Long enough for a busy machine: a store's own clock goes on between two steps of a test.
SHORT_TTL = 600

Advance = typing.Callable[[float], typing.Any]


def needs(condition: bool, what: str) -> None:
    """Skip a test that a store does not promise to pass."""
    if not condition:
        pytest.skip(f"does not apply to this store: {what}")


async def written(store: SessionStore, data: bytes, session_id: str | None = None) -> str:
    """Store a record, by default under a new id; return its id."""
    return await store.write(session_id or generate_session_id(), data, LIFETIME, LIFETIME)


async def pass_time(advance: Advance, seconds: float) -> None:
    """Let time pass, whether `advance` is a function or a coroutine function."""
    result = advance(seconds)
    if inspect.isawaitable(result):
        await result
