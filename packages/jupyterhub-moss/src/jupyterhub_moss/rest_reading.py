"""What slurmrestd says about jobs, nodes and partitions, in both shapes that its interface has had.

Up to v0.0.38 a number is a number and a state a word; since then a number tells whether it is set or infinite, and a
state is a list.
"""

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from jupyterhub_moss.access import Association, Rules
from jupyterhub_moss.gres import free_gpus, read_gpus
from jupyterhub_moss.jobs import TIMED_STATES, JobFacts
from jupyterhub_moss.models import PartitionNodes
from jupyterhub_moss.nodes import NodeType
from jupyterhub_moss.sinfo import NodeGroup, partition_resources
from jupyterhub_moss.timelimit import slurm_time

Entry = Mapping[str, Any]

# a job's transitions come with what they lead to; squeue shows the first of these that is there
_TRANSITIONS = (
    "COMPLETING", "STAGE_OUT", "CONFIGURING", "RESIZING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT",
    "STOPPED", "REVOKED", "RESV_DEL_HOLD", "SIGNALING", "POWER_UP_NODE",
)  # fmt: skip
_UP = frozenset({"IDLE", "ALLOCATED", "MIXED"})
_WORKING = frozenset({"ALLOCATED", "MIXED", "COMPLETING"})


def number(value: Any) -> float | None:
    """A number in either shape; None if it is not set, or infinite."""
    if isinstance(value, Mapping):
        return None if value.get("infinite") or not value.get("set", True) else value.get("number")
    return value if isinstance(value, int | float) and value >= 0 else None


def _words(value: Any) -> list[str]:
    words = value if isinstance(value, list) else [value]
    return [str(word).upper() for word in words if word]


def _state(entry: Entry) -> str:
    words = _words(entry["job_state"])
    return next((word for word in _TRANSITIONS if word in words), words[0])


def _time_text(value: Any) -> str:
    seconds = number(value)
    return datetime.fromtimestamp(seconds).isoformat(timespec="seconds") if seconds else "N/A"  # noqa: DTZ006  # as squeue


def _ends_at(entry: Entry, state: str) -> float | None:
    if state not in TIMED_STATES or not number(entry.get("time_limit")):
        return None
    return number(entry.get("end_time")) or None


def read_job(entry: Entry) -> JobFacts:
    """One job."""
    state = _state(entry)
    return JobFacts(
        number=str(entry["job_id"]),
        state=state,
        host=entry.get("batch_host") or "n/a",
        user=entry["user_name"],
        partition=entry["partition"],
        priority=int(number(entry.get("priority")) or 0),
        start=_time_text(entry.get("start_time")),
        reason=entry.get("state_reason") or "None",
        name=entry.get("name") or "",
        ends_at=_ends_at(entry, state),
    )


def read_jobs(answer: Entry) -> dict[str, JobFacts]:
    """The jobs of an answer, by id."""
    jobs = map(read_job, answer["jobs"])
    return {job.number: job for job in jobs}


# Partitions


def _states(entry: Entry) -> frozenset[str]:
    return frozenset([*_words(entry.get("state")), *_words(entry.get("state_flags"))])


def _node_group(entry: Entry) -> NodeGroup:
    """One node as sinfo counts it: at work, idle, or neither."""
    states = _states(entry)
    down = "DRAIN" in states or not states & _UP
    at_work = bool(states & _WORKING)
    cpus, used = int(entry["cpus"]), int(number(entry.get("alloc_cpus")) or 0)
    gpus = read_gpus(entry.get("gres") or "")
    gres_used = entry.get("gres_used") or ""
    free = free_gpus(gpus, gres_used, int(not down)) if gres_used or down or not gpus else None
    idle, offline = int(not at_work and not down), int(not at_work and down)
    nodes = NodeType(cpus, int(entry["real_memory"]), gpus, total=1, idle=idle, offline=offline, gpus_free=free)
    return NodeGroup(nodes, 0 if down else cpus - used, cpus, "")


def _alike(groups: Iterable[NodeGroup], runtime: str) -> list[NodeGroup]:
    sums: dict[tuple[Any, ...], NodeGroup] = {}
    for group in groups:
        nodes = group.nodes
        key = (nodes.cpus, nodes.memory, nodes.gpus)
        sums[key] = sums[key].joined(group) if key in sums else group._replace(runtime=runtime)
    return list(sums.values())


def _runtime(partition: Entry) -> str:
    maximums = partition.get("maximums") or {}
    minutes = number(partition.get("max_time_limit", maximums.get("time")))
    return slurm_time(timedelta.max if minutes is None else timedelta(minutes=minutes))


def read_partitions(nodes: Entry, partitions: Entry, log: logging.Logger) -> dict[str, PartitionNodes]:
    """What each partition has; one without nodes is left out."""
    groups: dict[str, list[NodeGroup]] = {}
    for entry in nodes["nodes"]:
        group = _node_group(entry)
        for name in entry.get("partitions") or ():
            groups.setdefault(name, []).append(group)
    return {
        partition["name"]: partition_resources(_alike(groups[partition["name"]], _runtime(partition)), log)
        for partition in partitions["partitions"]
        if partition["name"] in groups
    }


def read_associations(answer: Entry) -> dict[str, tuple[Association, ...]]:
    """The associations of each user; those of accounts alone are left out."""
    found: dict[str, tuple[Association, ...]] = {}
    for entry in answer["associations"]:
        if user := entry.get("user"):
            association = Association(entry["account"], entry.get("partition") or "", frozenset(entry.get("qos") or ()))
            found[user] = (*found.get(user, ()), association)
    return found


def _names(text: Any) -> frozenset[str] | None:
    return frozenset(str(text).split(",")) if text and text != "ALL" else None


def read_rules(partitions: Entry) -> dict[str, Rules]:
    """Who may use each partition."""
    return {partition["name"]: _rules(partition) for partition in partitions["partitions"]}


def _rules(partition: Entry) -> Rules:
    part = {key: partition.get(key) or {} for key in ("groups", "accounts", "qos", "maximums")}
    maximums = part["maximums"]
    return Rules(
        _names(partition.get("allowed_groups", part["groups"].get("allowed"))),
        _names(partition.get("allowed_accounts", part["accounts"].get("allowed"))),
        _names(partition.get("denied_accounts", part["accounts"].get("deny"))) or frozenset(),
        _names(partition.get("allowed_qos", part["qos"].get("allowed"))),
        _names(partition.get("denied_qos", part["qos"].get("deny"))) or frozenset(),
        _limit(partition.get("maximum_cpus_per_node", maximums.get("cpus_per_node"))),
        _limit(partition.get("maximum_memory_per_node", maximums.get("partition_memory_per_node"))),
    )


def _limit(value: Any) -> int | None:
    return int(number(value) or 0) or None
