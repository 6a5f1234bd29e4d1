"""scontrol."""

from __future__ import annotations

from ..calls import Call, Reply
from ..controller import Controller

__all__ = ["run"]


async def run(controller: Controller, call: Call) -> Reply:
    """Answer one scontrol."""
    return Reply(1, err="scontrol: error: not available\n")
