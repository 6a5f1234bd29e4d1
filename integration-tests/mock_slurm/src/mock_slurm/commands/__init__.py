"""Slurm's commands, each as a function from a call to its answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from mock_slurm.calls import Call, Reply
from mock_slurm.commands import sacct, sbatch, scancel, scontrol, sinfo, squeue
from mock_slurm.controller import Controller

__all__ = ["COMMANDS"]

COMMANDS: Mapping[str, Callable[[Controller, Call], Awaitable[Reply]]] = {
    "sacct": sacct.run,
    "sbatch": sbatch.run,
    "scancel": scancel.run,
    "scontrol": scontrol.run,
    "sinfo": sinfo.run,
    "squeue": squeue.run,
}
