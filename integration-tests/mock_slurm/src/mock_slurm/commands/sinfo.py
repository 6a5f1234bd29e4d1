"""sinfo: partitions and nodes, nodes that look the same on one line."""

from __future__ import annotations

import re
from collections.abc import Callable

from mock_slurm.calls import Call, Reply, lines
from mock_slurm.commands.nodefields import FIELD_NAMES, FIELDS, SPLITTING, Group
from mock_slurm.controller import Controller
from mock_slurm.formats import Layout, parse_format, parse_names, render
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
    try:
        layout = _layout(given, call)
    except KeyError as error:
        return Reply(1, err=f"sinfo: error: Invalid node format specification: {error.args[0]}\n")
    groups = _groups(controller, call, given, _splitting(layout))
    return Reply(0, lines(*render(layout, groups, heading="noheader" not in given)))


def _layout(given: Parsed, call: Call) -> list[Layout[Group]]:
    names = given.get("Format")
    if names is not None:
        return parse_names(names, FIELD_NAMES)
    text = given.get("format")
    if text is None:
        text = call.environment.get("SINFO_FORMAT", _DEFAULT)
        for option, layout in (("long", _LONG), ("summarize", _SUMMARY), ("list-reasons", _REASONS)):
            text = layout if option in given else text
        text = _BY_NODE if "Node" in given else text
    return parse_format(text, FIELDS)


def _splitting(layout: list[Layout[Group]]) -> list[Callable[[Group], str]]:
    """What tells lines apart: of the fields asked for, those by which sinfo groups nodes."""
    used = {field.column.heading for field in layout if field.column is not None}
    return [column.text for column in SPLITTING if column.heading in used]


def _groups(controller: Controller, call: Call, given: Parsed, splitting: list[Callable[[Group], str]]) -> list[Group]:
    found: dict[tuple[str, ...], Group] = {}
    by_node = "Node" in given
    for partition, name in _pairs(controller, call, given):
        single = Group(controller, partition, (name,), by_node=by_node)
        key = (*(text(single) for text in splitting), *((partition, name) if by_node else ()))
        if key in found:
            found[key] = found[key].with_node(name)
        else:
            found[key] = single
    groups = list(found.values())
    if by_node:
        return sorted(groups, key=lambda group: group.nodes[0])
    order = list(controller.config.partitions)
    return sorted(groups, key=lambda group: (order.index(group.partition), -group.state_rank))


def _pairs(controller: Controller, call: Call, given: Parsed) -> list[tuple[str, str]]:
    wanted = given.get("partition")
    nodes = set(expand(given.get("nodes") or ""))
    pairs = []
    for name, spec in controller.config.partitions.items():
        if wanted is not None and name not in wanted.split(","):
            continue
        if wanted is None and "all" not in given and hidden(controller, call, name):
            continue
        members = [node for node in controller.config.nodes if node in spec.nodes]
        pairs += [
            (name, node) for node in members if (not nodes or node in nodes) and _state_asked(controller, node, given)
        ]
    return pairs


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
    return any(state.startswith(item) or (item == "drain" and state.startswith("drain")) for item in wanted)
