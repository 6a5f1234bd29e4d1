"""Generic resources: the GPUs in Slurm's GRES column."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

# gpu:TYPE:COUNT or gpu:COUNT, then what Slurm appends about sockets or indices: (S:0-1), (IDX:0,2). Of those in use it
# writes gpu:(null):COUNT where the GPUs have no type
_ELEMENT = re.compile(r"(?P<name>[^:,()]+)(?::(?:\(null\)|(?P<type>[^:,()]+)))?:(?P<count>\d+)(?:\(.*\))?")
_COMMA_OUTSIDE_PARENTHESES = re.compile(r",(?![^()]*\))")


class GpuType(NamedTuple):
    """One kind of GPU: the ``--gres`` template that asks for it and how many a node has."""

    template: str
    number: int

    @property
    def kind(self) -> str:
        """The name that Slurm has for this kind; empty where it has none."""
        return kind_of(self.template)


def kind_of(template: str) -> str:
    """The kind of GPU that a ``--gres`` template asks for: ``gpu:V100:{}`` gives ``V100``."""
    return template.removeprefix("gpu:").removesuffix("{}").strip(":")


def _gpu(element: str, *, typed: bool) -> GpuType | None:
    match = _ELEMENT.fullmatch(element.strip())
    if match is None or match["name"] != "gpu":
        return None
    if match["type"] is None:
        return None if typed else GpuType("gpu:{}", int(match["count"]))
    return GpuType(f"gpu:{match['type']}:{{}}", int(match["count"]))


@lru_cache(maxsize=1024)
def read_gpus(gres: str) -> tuple[GpuType, ...]:
    """Every kind of GPU in a GRES text, typed and untyped, in the order written."""
    found = (_gpu(element, typed=False) for element in _COMMA_OUTSIDE_PARENTHESES.split(gres))
    return tuple(gpu for gpu in found if gpu is not None)


def free_gpus(gpus: tuple[GpuType, ...], used: str, nodes: int) -> tuple[GpuType, ...]:
    """How many of each kind are free on so many nodes together, each with `gpus` and `used` by jobs.

    `used` is Slurm's text, as ``gpu:V100:1(IDX:0)``; what it does not give to a kind counts against every kind.
    """
    taken = {gpu.template: gpu.number for gpu in read_gpus(used)}
    unnamed = taken.get("gpu:{}", 0)
    return tuple(gpu._replace(number=nodes * max(0, gpu.number - taken.get(gpu.template, unnamed))) for gpu in gpus)


def added_up(gpus: Iterable[GpuType]) -> tuple[GpuType, ...]:
    """Each kind once, in the order in which they come first."""
    sums: dict[str, int] = {}
    for gpu in gpus:
        sums[gpu.template] = sums.get(gpu.template, 0) + gpu.number
    return tuple(GpuType(template, number) for template, number in sums.items())


def parse_gpu_resource(resource: str) -> tuple[str, str]:
    """The first typed GPU of a GRES text as its ``--gres`` template and its count.

    ``gpu:V100:2(S:0-1)`` gives ``("gpu:V100:{}", "2")``. `ValueError` when there is none.
    """
    for element in _COMMA_OUTSIDE_PARENTHESES.split(resource):
        if gpu := _gpu(element, typed=True):
            return gpu.template, str(gpu.number)
    raise ValueError(f"{resource!r} names no GPU of the form gpu:TYPE:COUNT")
