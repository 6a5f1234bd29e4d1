"""Generic resources: the GPUs in Slurm's GRES column."""

import re
from functools import lru_cache
from typing import NamedTuple

# gpu:TYPE:COUNT or gpu:COUNT, then what Slurm appends about sockets or indices: (S:0-1), (IDX:0,2)
_ELEMENT = re.compile(r"(?P<name>[^:,()]+)(?::(?P<type>[^:,()]+))?:(?P<count>\d+)(?:\(.*\))?")
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


def parse_gpu_resource(resource: str) -> tuple[str, str]:
    """The first typed GPU of a GRES text as its ``--gres`` template and its count.

    ``gpu:V100:2(S:0-1)`` gives ``("gpu:V100:{}", "2")``. `ValueError` when there is none.
    """
    for element in _COMMA_OUTSIDE_PARENTHESES.split(resource):
        if gpu := _gpu(element, typed=True):
            return gpu.template, str(gpu.number)
    raise ValueError(f"{resource!r} names no GPU of the form gpu:TYPE:COUNT")
