"""How values look on the page: template filters that turn facts into words."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyterhub_moss.files import local_path
from jupyterhub_moss.gres import kind_of

_HOUR = 3600
_DAY = 24 * _HOUR
_FOREVER = 1000 * 365 * _DAY

# ids that the page's own elements have; a partition of such a name gets another id
_TEMPLATE = Path(local_path("templates/option_form.html")).read_text(encoding="utf-8")
_TAKEN_IDS = frozenset(re.findall(r'\bid="(\w+)"', _TEMPLATE)) | {"minimumCore", "twoCores", "fourCores", "quarterCore"}
_HUB_IDS = frozenset({"spawn_form", "noscript"})


def partition_id(name: str) -> str:
    """The element id of a partition's choice: its name unless that is taken."""
    return f"partition-{name}" if name in _TAKEN_IDS | _HUB_IDS or re.fullmatch(r"\d+Gpu", name) else name


def memory_size(megabytes: int | None) -> str:
    """Megabytes as a person says them."""
    if megabytes is None:
        return "unknown"
    if megabytes < 1024:
        return f"{megabytes} MB"
    return f"{megabytes / 1024:.4g} GB" if megabytes < 1024 * 1024 else f"{megabytes / 1024 / 1024:.3g} TB"


def job_length(seconds: int | None) -> str:
    """Seconds as a person says them."""
    if seconds is None:
        return "unknown"
    if seconds >= _FOREVER:
        return "no limit"
    for unit, length in (("day", _DAY), ("hour", _HOUR), ("minute", 60)):
        if seconds % length == 0:
            count = seconds // length
            return f"{count} {unit}{'s' if count != 1 else ''}"
    return f"{seconds} seconds"


def gpu_name(template: str) -> str:
    """The kind of GPU in a ``--gres`` template, without the rest."""
    return kind_of(template)


def node_words(node: Mapping[str, Any]) -> str:
    """A kind of nodes in words."""
    gpus = "".join(f", {number} GPUs {kind}".rstrip() for kind, number in node["gpus"].items())
    offline = f", {node['offline']} offline" if node["offline"] else ""
    return (
        f"{node['total']} with {node['cpus']} CPUs, {memory_size(node['memory'])}{gpus}: {node['idle']} free{offline}"
    )


def gpu_words(gpu: Mapping[str, Any]) -> str:
    """How many of a kind of GPUs are free."""
    counts = "unknown" if gpu["total"] is None else f"{gpu['free']} of {gpu['total']}"
    return f"{counts} {gpu['kind']}".rstrip()


def gpu_type_choices(partitions: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The kinds of GPUs of partitions that have more than one: the form without JavaScript shows them all."""
    several = (each["gpu_types"] for each in partitions.values() if len(each["gpu_types"]) > 1)
    return list(dict.fromkeys(gpu["kind"] for kinds in several for gpu in kinds if gpu["kind"]))


def default_runtime(max_runtime: int | None) -> str:
    """The time that the form asks for at first: one hour, or less where a job may not run so long."""
    seconds = _HOUR if max_runtime is None else min(_HOUR, max_runtime)
    return f"{seconds // _HOUR}:{seconds % _HOUR // 60:02}:{seconds % 60:02}"


def environment_choices(partitions: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Every environment id of every partition with its description: the form without JavaScript shows them all."""
    choices: dict[str, str] = {}
    for partition in partitions.values():
        for identifier, environment in partition["jupyter_environments"].items():
            choices.setdefault(identifier, environment["description"])
    return list(choices.items())


FILTERS = {
    function.__name__: function
    for function in (
        partition_id,
        memory_size,
        job_length,
        gpu_name,
        default_runtime,
        environment_choices,
        gpu_type_choices,
    )
}
