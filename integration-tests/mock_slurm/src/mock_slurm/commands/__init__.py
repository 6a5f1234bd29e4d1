"""Slurm's commands, each as a function from a call to its answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from ..calls import Call, Reply
from ..controller import Controller
from . import sacct, sbatch, scancel, scontrol, sinfo, squeue

__all__ = ["COMMANDS"]

COMMANDS: Mapping[str, Callable[[Controller, Call], Awaitable[Reply]]] = {
    "sacct": sacct.run,
    "sbatch": sbatch.run,
    "scancel": scancel.run,
    "scontrol": scontrol.run,
    "sinfo": sinfo.run,
    "squeue": squeue.run,
}
