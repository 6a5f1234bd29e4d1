"""Jobs, nodes and partitions as slurmrestd 22.05 shows them in v0.0.38 of its interface."""

from __future__ import annotations

from typing import Any

from .commands.jobfields import JobView
from .commands.nodefields import gres_used
from .config import PartitionSpec
from .controller import Controller
from .job import Job
from .quantities import UNLIMITED
from .resources import Node

__all__ = ["job_view", "node_view", "partition_view"]


def _moment(moment: float | None) -> int:
    return int(moment or 0)


def job_view(job: Job, controller: Controller) -> dict[str, Any]:
    """A job; fields that the mock has nothing to say about are left out."""
    view, request = JobView(job, controller, controller.now()), job.request
    host = view.exec_host
    return {
        "account": request.account, "batch_host": "" if host == "n/a" else host, "comment": request.comment,
        "cpus": view.cpus, "current_working_directory": request.workdir, "end_time": _moment(view.end),
        "exit_code": job.exit_code << 8 | job.exit_signal, "job_id": job.id, "job_state": job.shown_state,
        "name": request.name, "node_count": view.node_count, "partition": request.partition, "priority": job.priority,
        "qos": request.qos, "requeue": request.requeue, "restart_cnt": job.restarts,
        "standard_output": request.stdout, "start_time": _moment(view.start), "state_reason": job.reason,
        "submit_time": _moment(job.submitted), "time_limit": _minutes(request.time_limit), "user_id": job.uid,
        "user_name": job.user,
    }  # fmt: skip


def _minutes(limit: int) -> int:
    return -1 if limit == UNLIMITED else limit


# drained and draining are what is below them, with a flag
_STATES = {"drained": "idle", "draining": "mixed"}


def node_view(node: Node, controller: Controller) -> dict[str, Any]:
    """A node."""
    spec, used = node.spec, node.cpus_allocated
    return {
        "alloc_cpus": used, "alloc_memory": node.memory_allocated, "cpus": spec.cpus,
        "features": ",".join(spec.features), "gres": spec.gres, "gres_used": gres_used(node),
        "idle_cpus": spec.cpus - used, "name": spec.name,
        "partitions": [name for name, each in controller.config.partitions.items() if spec.name in each.nodes],
        "real_memory": spec.memory, "reason": node.reason, "state": _STATES.get(node.state, node.state),
        "state_flags": ["DRAIN"] if node.mark == "DRAIN" else [],
    }  # fmt: skip


def partition_view(spec: PartitionSpec) -> dict[str, Any]:
    """A partition."""
    flags = [name for name, is_set in (("default", spec.default), ("hidden", spec.hidden)) if is_set]
    return {
        "allowed_accounts": "", "allowed_groups": ",".join(spec.allow_groups), "allowed_qos": "",
        "default_memory_per_cpu": spec.def_mem_per_cpu, "denied_accounts": "", "denied_qos": "", "flags": flags,
        "max_time_limit": _minutes(spec.max_time), "maximum_cpus_per_node": -1, "maximum_memory_per_node": None,
        "name": spec.name, "nodes": ",".join(spec.nodes), "priority_tier": spec.priority_tier, "state": spec.state,
        "total_nodes": len(spec.nodes),
    }  # fmt: skip
