"""How values look on the page: template filters that turn facts into words."""

import re
from collections.abc import Mapping
from typing import Any

_HOUR = 3600
_DAY = 24 * _HOUR
_FOREVER = 1000 * 365 * _DAY

# ids that the page's own elements have; a partition of such a name gets another id
_TAKEN_IDS = frozenset(
    "home menu1 minimumCore twoCores fourCores quarterCore partition nprocs mem mem_input mem_label mem_group ngpus "
    "runtime default_url default_url_hidden_input output reservation options root_dir moss_form spawn_form noscript "
    "simple_tab_link advanced_tab_link gpu_simple gpu_simple_choices runtime_simple jupyterlab_simple "
    "environment_simple environment_simple_default environment_simple_custom jupyter_environments "
    "jupyter_environments_default jupyter_environments_custom environment_path environment_modules environment_add "
    "environment_add_radio environment_add_name environment_add_path environment_add_modules environment_add_button "
    "environment_plain max_nprocs_span max_mem_span max_ngpus_span".split()
)


def partition_id(name: str) -> str:
    """The element id of a partition's choice: its name unless that is taken."""
    return f"partition-{name}" if name in _TAKEN_IDS or re.fullmatch(r"\d+Gpu", name) else name


def memory_size(megabytes: int | None) -> str:
    """Megabytes as a person says them."""
    if megabytes is None:
        return "unknown"
    if megabytes < 1024:
        return f"{megabytes} MB"
    return f"{megabytes / 1024:.3g} GB" if megabytes < 1024 * 1000 else f"{megabytes / 1024 / 1024:.3g} TB"


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
    return template.removeprefix("gpu:").removesuffix("{}").strip(":")


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
    for function in (partition_id, memory_size, job_length, gpu_name, default_runtime, environment_choices)
}
