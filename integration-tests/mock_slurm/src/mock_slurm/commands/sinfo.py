"""sinfo: partitions and nodes, nodes that look the same on one line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from mock_slurm.calls import Call, Reply, lines
from mock_slurm.commands.nodefields import EXACT, FIELD_NAMES, FIELDS, SPLITTING, Group
from mock_slurm.controller import Controller
from mock_slurm.formats import Column, Layout, parse_format, parse_names, render
from mock_slurm.getopt import Flag, Parsed, UsageError, parse
from mock_slurm.hostlist import expand

__all__ = ["hidden", "run"]

_FLAGS = (
    Flag("all", "a", "no"), Flag("dead", "d", "no"), Flag("exact", "e", "no"), Flag("help", value="no"),
    Flag("hide", value="no"), Flag("long", "l", "no"), Flag("Node", "N", "no"), Flag("noheader", "h", "no"),
    Flag("responding", "r", "no"), Flag("list-reasons", "R", "no"), Flag("summarize", "s", "no"),
    Flag("verbose", "v", "no"), Flag("version", "V", "no"), Flag("usage", value="no"), Flag("noconvert", value="no"),
    Flag("format", "o"), Flag("Format", "O"), Flag("nodes", "n"), Flag("partition", "p"), Flag("states", "t"),
    Flag("sort", "S"), Flag("clusters", "M"), Flag("iterate", "i"),
)  # fmt: skip
_DEFAULT = "%#P %.5a %.10l %.6D %.6t %N"
_LONG = "%#P %.5a %.10l %.10s %.4r %.8h %.10g %.6D %.11T %N"
_BY_NODE = "%9N %.6D %.9P %6t"
_SUMMARY = "%#P %.5a %.10l %.16F %N"
_CONFLICT = "sinfo: error: Conflicting options, -a and -p, specified. Please choose one or the other.\n"
_REASONS = "%20E %9u %19H %N"
# What the real one says it knows, the unknown one without a name included.
_STATES = (
    "unknown", "down", "idle", "allocated", "?", "mixed", "future", "drain", "drained", "draining", "no_respond",
    "reserved", "perfctrs", "cloud", "completing", "powering_down", "powered_down", "power_down", "powering_up",
    "fail", "maint", "reboot", "reboot^",
)  # fmt: skip


async def run(controller: Controller, call: Call) -> Reply:
    """Answer one sinfo."""
    try:
        given = parse(_FLAGS, call.args)
    except UsageError as error:
        return Reply(
            1, err=lines(*(f"sinfo: {line}" for line in error.lines), 'Try "sinfo --help" for more information')
        )
    if "version" in given:
        return Reply(0, f"slurm-wlm {controller.config.version}\n")
    if "all" in given and "partition" in given:
        return Reply(1, err=_CONFLICT)
    if problem := _unknown_state(given.get("states")):
        return Reply(1, err=problem)
    layout, complaints = _layout(given, call)
    groups = _groups(controller, call, given, _splitting(layout, EXACT if "exact" in given else SPLITTING))
    return Reply(0, lines(*render(layout, groups, heading="noheader" not in given)), lines(*complaints))


def _unknown_state(text: str | None) -> str:
    for item in re.split(r"[,&]", (text or "all").lower()):
        if item != "all" and not any(state.startswith(item) for state in _STATES):
            return (
                f'sinfo: error: Bad state string: "{item}"\nsinfo: error: valid states: {",".join(_STATES)},unknown\n'
            )
    return ""


def _layout(given: Parsed, call: Call) -> tuple[list[Layout[Group]], list[str]]:
    """The fields asked for, and the complaints about those that do not exist."""
    names = given.get("Format")
    if names is not None:
        layout, unknown = parse_names(names, FIELD_NAMES)
        return layout, [f"sinfo: error: Invalid job format specification: {name}" for name in unknown]
    text = given.get("format")
    if text is None:
        text = call.environment.get("SINFO_FORMAT", _DEFAULT)
        for option, standard in (("long", _LONG), ("summarize", _SUMMARY), ("list-reasons", _REASONS)):
            text = standard if option in given else text
        text = _BY_NODE if "Node" in given else text
    layout, unknown = parse_format(text, FIELDS)
    return layout, [f"Invalid node format specification: {letter}" for letter in unknown]


def _splitting(layout: list[Layout[Group]], candidates: Iterable[Column[Group]]) -> list[Callable[[Group], str]]:
    """What tells lines apart: of the fields asked for, those by which sinfo groups nodes."""
    used = {field.column.heading for field in layout if field.column is not None}
    return [column.text for column in candidates if column.heading in used]


def _groups(controller: Controller, call: Call, given: Parsed, splitting: list[Callable[[Group], str]]) -> list[Group]:
    found: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    by_node = "Node" in given
    pairs = _pairs(controller, call, given)
    for partition, name in pairs:
        single = Group(controller, partition, (name,), by_node=by_node)
        key = (*(text(single) for text in splitting), *((partition, name) if by_node else ()))
        found.setdefault(key, []).append((partition, name))
    alike = [
        Group(controller, members[0][0], tuple(dict.fromkeys(name for _, name in members)), by_node=by_node)
        for members in found.values()
    ]
    groups = [*alike, *_empty(controller, call, given, {partition for partition, _ in pairs})]
    if by_node:
        return sorted(groups, key=lambda group: group.nodes[0])
    order = {name: place for place, name in enumerate(controller.config.partitions)}
    if "exact" in given:
        groups.sort(key=lambda group: group.nodes[:1])
    return sorted(groups, key=lambda group: (order[group.partition], -group.state_rank))


def _pairs(controller: Controller, call: Call, given: Parsed) -> list[tuple[str, str]]:
    nodes = set(expand(given.get("nodes") or ""))
    pairs = []
    for name in _partitions(controller, call, given):
        spec = controller.config.partitions[name]
        own = set(spec.nodes)
        members = [node for node in controller.config.nodes if node in own]
        pairs += [
            (name, node) for node in members if (not nodes or node in nodes) and _state_asked(controller, node, given)
        ]
    return pairs


def _empty(controller: Controller, call: Call, given: Parsed, filled: set[str]) -> list[Group]:
    """Partitions of which no node was asked for; they are listed all the same, but not node by node."""
    if "Node" in given or "list-reasons" in given:
        return []
    return [Group(controller, name, ()) for name in _partitions(controller, call, given) if name not in filled]


def _partitions(controller: Controller, call: Call, given: Parsed) -> list[str]:
    wanted = given.get("partition")
    if wanted is not None:
        return [name for name in controller.config.partitions if name in wanted.split(",")]
    return [name for name in controller.config.partitions if "all" in given or not hidden(controller, call, name)]


def hidden(controller: Controller, call: Call, name: str) -> bool:
    """Whether this partition is shown to this caller only on request."""
    spec = controller.config.partitions[name]
    if call.caller.privileged:
        return False
    return spec.hidden or bool(spec.allow_groups and not set(spec.allow_groups) & set(call.caller.groups))


def _state_asked(controller: Controller, node: str, given: Parsed) -> bool:
    state = controller.nodes[node].state
    if "list-reasons" in given and not controller.nodes[node].mark:
        return False
    text = given.get("states")
    if text is None or text.lower() == "all":
        return True
    wanted = re.split(r"[,&]", text.lower())
    # A node that is partly allocated counts as allocated here.
    return any(state.startswith(item) or (item.startswith("alloc") and state == "mixed") for item in wanted)
