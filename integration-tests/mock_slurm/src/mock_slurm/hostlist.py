"""Slurm's host lists: `cpu[1-3],gpu1` and back."""

from __future__ import annotations

import re
from itertools import groupby

__all__ = ["compress", "expand", "gather"]

_ITEM = re.compile(r"[^,\[]*(?:\[[^\]]*\][^,\[]*)*")
_BRACKET = re.compile(r"([^\[]*)\[([^\]]+)\](.*)")
_NUMBERED = re.compile(r"(.*?)([0-9]+)")


def expand(text: str) -> list[str]:
    """Every host of a list, in the order written."""
    hosts: list[str] = []
    for item in filter(None, _ITEM.findall(text)):
        hosts += _expand_item(item)
    return hosts


def _expand_item(item: str) -> list[str]:
    match = _BRACKET.fullmatch(item)
    if match is None:
        return [item]
    hosts = []
    for part in match[2].split(","):
        first, _, last = part.partition("-")
        width = len(first)
        hosts += [f"{match[1]}{number:0{width}}{match[3]}" for number in range(int(first), int(last or first) + 1)]
    return hosts


def compress(hosts: list[str] | tuple[str, ...]) -> str:
    """The shortest host list, sorted by name and number as Slurm sorts it."""
    parsed = sorted({_split(host) for host in hosts})
    parts = []
    for (prefix, width), group in groupby(parsed, key=lambda item: (item[0], item[2])):
        parts.append(_render(prefix, width, [number for _, number, _ in group]))
    return ",".join(parts)


def gather(hosts: list[str]) -> str:
    """A host list in the order given: only neighbours of one name are drawn together."""
    names = (list(group) for _, group in groupby(hosts, key=lambda host: _split(host)[0::2]))
    return ",".join(compress(group) for group in names)


def _split(host: str) -> tuple[str, int, int]:
    match = _NUMBERED.fullmatch(host)
    if match is None:
        return host, -1, 0
    return match[1], int(match[2]), len(match[2]) if match[2].startswith("0") and len(match[2]) > 1 else 0


def _render(prefix: str, width: int, numbers: list[int]) -> str:
    if numbers == [-1]:
        return prefix
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    texts = [f"{a:0{width}}" if a == b else f"{a:0{width}}-{b:0{width}}" for a, b in runs]
    if len(numbers) == 1:
        return f"{prefix}{texts[0]}"
    return f"{prefix}[{','.join(texts)}]"
