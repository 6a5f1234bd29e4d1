"""sacct."""

from __future__ import annotations

from ..calls import Call, Reply
from ..controller import Controller

__all__ = ["run"]


async def run(controller: Controller, call: Call) -> Reply:
    """Answer one sacct."""
    return Reply(1, err="sacct: error: not available\n")
