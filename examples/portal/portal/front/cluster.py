"""How busy the cluster is: free processors and waiting jobs of each partition, as Slurm tells them."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Final

PARTITIONS: Final = "cpu,gpu"  # those that the notebook hub offers


@dataclass(frozen=True, slots=True)
class PartitionLoad:
    """One partition: processors that are free, all of them, and jobs that wait for some."""

    name: str
    idle: int
    total: int
    waiting: int

    def __str__(self) -> str:
        return f"{self.name}: {self.idle} of {self.total} processors free, {self.waiting} waiting"


async def read_load() -> list[PartitionLoad]:
    """The partitions in Slurm's order.

    Raises:
        RuntimeError: Slurm does not answer; its words may name addresses.
    """
    processors = await _told("sinfo", "-h", "-p", PARTITIONS, "-o", "%R %C")
    pending = await _told("squeue", "-h", "-t", "PD", "-p", PARTITIONS, "-o", "%P")
    waiting = Counter(name for job in pending for name in job.split(","))  # a job may wait for several
    return [_load(line, waiting) for line in processors]


def _load(line: str, waiting: "Counter[str]") -> PartitionLoad:
    """A partition from `cpu 8/24/0/32`: processors allocated, idle, out of order, in all."""
    name, counts = line.split()
    _, idle, _, total = map(int, counts.split("/"))
    return PartitionLoad(name, idle, total, waiting[name])


async def _told(program: str, *arguments: str) -> list[str]:
    process = await asyncio.create_subprocess_exec(
        program, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(errors.decode().strip() or f"{program} ended with status {process.returncode}")
    return output.decode().splitlines()
