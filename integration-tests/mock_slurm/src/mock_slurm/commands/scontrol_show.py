"""scontrol show: jobs, nodes, partitions, reservations, the configuration."""

from __future__ import annotations

from mock_slurm.calls import Call, lines
from mock_slurm.commands.scontrol_answers import Problem, find_job
from mock_slurm.commands.show import describe_job, describe_node, describe_partition, joined
from mock_slurm.commands.sinfo import hidden
from mock_slurm.controller import Controller
from mock_slurm.getopt import Parsed
from mock_slurm.hostlist import expand, gather
from mock_slurm.quantities import timestamp

__all__ = ["show"]


def show(controller: Controller, call: Call, given: Parsed, words: list[str]) -> str:
    """What `scontrol show WORDS` prints. Raises Problem."""
    if not words:
        raise Problem("too few arguments for keyword:show")
    if len(words) > 2:
        raise Problem("too many arguments for keyword:show")
    kind, name = words[0].lower(), words[1] if len(words) > 1 else ""
    if "=" in kind:
        kind, _, name = words[0].partition("=")
        kind = kind.lower()
    blocks = _blocks(controller, call, given, kind.rstrip("s"), name)
    return blocks if isinstance(blocks, str) else joined(blocks, one_line="oneliner" in given)


def _blocks(controller: Controller, call: Call, given: Parsed, kind: str, name: str) -> list[list[str]] | str:
    if kind in {"job", "jobid"}:
        return _job_blocks(controller, name)
    if kind in {"node", "nodename"}:
        return _node_blocks(controller, call, name, detail="details" in given)
    if kind in {"partition", "partitionname"}:
        return _partition_blocks(controller, call, name, everything="all" in given)
    if kind in {"reservation", "res"}:
        return _reservations(controller, name)
    texts = {
        "hostname": lambda: lines(*expand(name)),
        "hostlist": lambda: lines(gather(expand(name))),
        "config": lambda: _configuration(controller),
    }
    if kind in texts:
        return texts[kind]()
    raise Problem(f"invalid entity:{kind} for keyword:show ")


def _job_blocks(controller: Controller, name: str) -> list[list[str]] | str:
    if not name:
        jobs = controller.visible()
        return [describe_job(job, controller) for job in jobs] or "No jobs in the system\n"
    return [describe_job(find_job(controller, name, "slurm_load_jobs error: "), controller)]


def _node_blocks(controller: Controller, call: Call, name: str, *, detail: bool) -> list[list[str]]:
    names = expand(name) if name else list(controller.nodes)
    for each in names:
        if each not in controller.nodes:
            raise Problem(f"Node {each} not found")
    shown = {key: part for key, part in controller.config.partitions.items() if not hidden(controller, call, key)}
    return [
        describe_node(
            controller.nodes[each],
            controller,
            [key for key, part in shown.items() if each in part.nodes],
            detail=detail,
        )
        for each in names
    ]


def _partition_blocks(controller: Controller, call: Call, name: str, *, everything: bool) -> list[list[str]]:
    parts = controller.config.partitions
    if name and name not in parts:
        raise Problem(f"Partition {name} not found")
    chosen = [name] if name else [each for each in parts if everything or not hidden(controller, call, each)]
    return [describe_partition(parts[each], controller) for each in chosen]


def _reservations(controller: Controller, name: str) -> list[list[str]] | str:
    known = [each for each in controller.config.reservations if name in {"", each}]
    if not known:
        return f"Reservation {name} not found\n" if name else "No reservations in the system\n"
    return [[f"ReservationName={each} State=ACTIVE"] for each in known]


def _configuration(controller: Controller) -> str:
    config = controller.config
    values = {
        "ClusterName": config.cluster,
        "KillWait": f"{config.kill_wait:g} sec",
        "MaxJobCount": config.max_job_count,
        "MessageTimeout": f"{config.message_timeout:g} sec",
        "MinJobAge": f"{config.min_job_age:g} sec",
        "SLURM_VERSION": config.version,
    }
    heading = f"Configuration data as of {timestamp(controller.now())}"
    return lines(heading, *(f"{name:<23} = {value}" for name, value in values.items()))
