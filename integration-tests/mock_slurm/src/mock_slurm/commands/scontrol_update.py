"""scontrol update: a job, nodes, a partition."""

from __future__ import annotations

from mock_slurm.calls import Call
from mock_slurm.commands.scontrol_answers import DENIED, Problem, find_job
from mock_slurm.controller import Controller
from mock_slurm.hostlist import expand
from mock_slurm.job import Job
from mock_slurm.quantities import InvalidQuantityError, parse_minutes

__all__ = ["update"]


def update(controller: Controller, call: Call, words: list[str]) -> str:
    """Change what KEY=VALUE words say; prints nothing. Raises Problem."""
    values = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise Problem(f"Input line doesn't consist of key=value pairs: {word}")
        values[name.lower()] = value
    if "jobid" in values or "job" in values:
        _update_job(controller, call, values)
    elif "nodename" in values or "node" in values:
        _update_node(controller, call, values)
    elif "partitionname" in values or "partition" in values:
        _update_partition(controller, call, values)
    else:
        raise Problem(
            'No valid entity in update command\nInput line must include "NodeName", "JobId" or "PartitionName"'
        )
    return ""


def _update_node(controller: Controller, call: Call, values: dict[str, str]) -> None:
    if not call.caller.privileged:
        raise Problem("slurm_update error: Invalid user id")
    marks = {"DRAIN": "DRAIN", "DOWN": "DOWN", "FAIL": "DOWN", "RESUME": "", "IDLE": "", "UNDRAIN": ""}
    state = values.get("state", "").upper()
    if state not in marks:
        raise Problem(f"Invalid input: State={values.get('state', '')}\nRequest aborted")
    if marks[state] and not values.get("reason"):
        raise Problem("You must specify a reason when DOWNING or DRAINING a node. Request denied")
    for name in expand(values.get("nodename") or values.get("node") or ""):
        if name not in controller.nodes:
            raise Problem("slurm_update error: Invalid node name specified")
        controller.mark_node(name, marks[state], values.get("reason", "").strip("\"'"), call.caller.name)


def _update_partition(controller: Controller, call: Call, values: dict[str, str]) -> None:
    if not call.caller.privileged:
        raise Problem("slurm_update error: Invalid user id")
    name = values.get("partitionname") or values.get("partition") or ""
    if name not in controller.config.partitions:
        raise Problem("slurm_update error: Invalid partition name specified")
    changes: dict[str, object] = {}
    if "state" in values:
        state = values["state"].upper()
        if state not in {"UP", "DOWN", "DRAIN", "INACTIVE"}:
            raise Problem(
                f"Invalid input: State={values['state']}\nAcceptable State values are UP, DOWN, DRAIN and INACTIVE"
            )
        changes["state"] = state
    if "maxtime" in values:
        changes["max_time"] = _minutes(values["maxtime"])
    if "hidden" in values:
        changes["hidden"] = values["hidden"].upper() == "YES"
    controller.change_partition(name, **changes)


def _minutes(text: str) -> int:
    try:
        return parse_minutes(text)
    except InvalidQuantityError as error:
        raise Problem("Invalid TimeLimit value") from error


def _update_job(controller: Controller, call: Call, values: dict[str, str]) -> None:
    job = find_job(controller, values.get("jobid") or values.get("job") or "", "slurm_update error: ")
    if job.uid != call.caller.uid and not call.caller.privileged:
        raise Problem(f"Invalid user id for job {job.id}")
    if job.finished:
        raise Problem("slurm_update error: Job/step already completing or completed")
    if "timelimit" in values:
        _update_limit(controller, call, job, values["timelimit"])
    if values.get("partition", job.request.partition) not in controller.config.partitions:
        raise Problem("slurm_update error: Invalid partition name specified")
    for key, field in _JOB_FIELDS.items():
        if key in values:
            setattr(job.request, field, values[key])
    if "requeue" in values:
        job.request.requeue = values["requeue"] == "1"
    if "priority" in values:
        _update_priority(controller, call, job, values["priority"])
    controller.save(job)


_JOB_FIELDS = {
    "account": "account",
    "comment": "comment",
    "jobname": "name",
    "name": "name",
    "partition": "partition",
    "qos": "qos",
}


def _update_limit(controller: Controller, call: Call, job: Job, text: str) -> None:
    limit = _minutes(text)
    if job.state == "RUNNING" and not call.caller.privileged and not 0 <= limit <= job.request.time_limit:
        raise Problem(f"{DENIED} for job {job.id}")
    controller.change_limit(job, limit)


def _update_priority(controller: Controller, call: Call, job: Job, text: str) -> None:
    if not text.isdigit():
        raise Problem(f"Invalid Priority value: {text}")
    job.priority = int(text)
    if job.priority == 0:
        controller.hold(job, call.caller)
