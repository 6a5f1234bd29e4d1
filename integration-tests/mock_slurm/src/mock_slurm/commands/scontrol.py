"""scontrol: look at and change jobs, nodes and partitions."""

from __future__ import annotations

from collections.abc import Callable

from mock_slurm.calls import Call, Reply, lines
from mock_slurm.commands.show import describe_job, describe_node, describe_partition, joined
from mock_slurm.commands.sinfo import hidden
from mock_slurm.controller import Controller
from mock_slurm.getopt import Flag, Parsed, UsageError, parse
from mock_slurm.hostlist import expand, gather
from mock_slurm.job import Job
from mock_slurm.quantities import InvalidQuantityError, parse_minutes, timestamp

__all__ = ["run"]

_FLAGS = (
    Flag("all", "a", "no"), Flag("details", "d", "no"), Flag("help", "h", "no"), Flag("hide", value="no"),
    Flag("oneliner", "o", "no"), Flag("quiet", "Q", "no"), Flag("verbose", "v", "no"), Flag("version", "V", "no"),
    Flag("future", "F", "no"), Flag("clusters", "M"), Flag("uid", "u"),
)  # fmt: skip
_NO_JOB = "Invalid job id specified"
_DENIED = "Access/permission denied"


class _Problem(Exception):  # noqa: N818 - an answer
    """What scontrol prints on stderr before it ends with 1."""


async def run(controller: Controller, call: Call) -> Reply:
    """Answer one scontrol."""
    try:
        given = parse(_FLAGS, call.args)
        if "version" in given:
            return Reply(0, f"slurm-wlm {controller.config.version}\n")
        return Reply(0, _dispatch(controller, call, given))
    except UsageError as error:
        complaints = [f"scontrol: {line}" for line in error.lines]
        return Reply(1, err=lines(*complaints, 'Try "scontrol --help" for more information'))
    except _Problem as problem:
        # The real one writes "not found" where it would have written the description.
        text = lines(str(problem))
        return Reply(1, text) if text.endswith(" not found\n") else Reply(1, err=text)


def _dispatch(controller: Controller, call: Call, given: Parsed) -> str:
    verb, *words = given.rest or [""]
    actions: dict[str, Callable[[], str]] = {
        "ping": lambda: f"Slurmctld(primary) at {controller.config.controller_host} is UP\n",
        "show": lambda: _show(controller, call, given, words),
        "update": lambda: _update(controller, call, words),
        "write": lambda: _write_script(controller, call, words),
        "reconfigure": lambda: "",
    }
    if verb in actions:
        return actions[verb]()
    if verb in _JOB_ACTIONS:
        return _change_jobs(controller, call, verb, words)
    raise _Problem(
        f"invalid keyword: {verb}" if verb else "scontrol: no command given; try show, update, hold, release"
    )


def _show(controller: Controller, call: Call, given: Parsed, words: list[str]) -> str:
    if not words:
        raise _Problem("too few arguments for keyword:show")
    if len(words) > 2:
        raise _Problem("too many arguments for keyword:show")
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
    raise _Problem(f"invalid entity:{kind} for keyword:show ")


def _job_blocks(controller: Controller, name: str) -> list[list[str]] | str:
    if not name:
        jobs = controller.visible()
        return [describe_job(job, controller) for job in jobs] or "No jobs in the system\n"
    return [describe_job(_job(controller, name, "slurm_load_jobs error: "), controller)]


def _job(controller: Controller, text: str, prefix: str) -> Job:
    number = int(text) if text.isdigit() else -1
    found = controller.visible([number])
    if not found:
        raise _Problem(f"{prefix}{_NO_JOB}")
    return found[0]


def _node_blocks(controller: Controller, call: Call, name: str, *, detail: bool) -> list[list[str]]:
    names = expand(name) if name else list(controller.nodes)
    for each in names:
        if each not in controller.nodes:
            raise _Problem(f"Node {each} not found")
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
        raise _Problem(f"Partition {name} not found")
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


def _write_script(controller: Controller, call: Call, words: list[str]) -> str:
    if words[:1] != ["batch_script"] or len(words) < 2:
        raise _Problem("invalid entity for keyword:write; try: write batch_script JOBID -")
    job = _job(controller, words[1], "scontrol: error: job script retrieval failed: ")
    _permit(call, job, "scontrol: error: job script retrieval failed: ")
    if words[2:3] != ["-"]:
        raise _Problem("scontrol: error: this controller writes scripts to standard output only; add `-`")
    return job.request.script


def _permit(call: Call, job: Job, prefix: str, suffix: str = "") -> None:
    if job.uid != call.caller.uid and not call.caller.privileged:
        raise _Problem(f"{prefix}{_DENIED}{suffix}")


# --- jobs -------------------------------------------------------------------------------------------------------


def _change_jobs(controller: Controller, call: Call, verb: str, words: list[str]) -> str:
    if not words:
        raise _Problem(f"too few arguments for keyword:{verb}")
    for word in ",".join(words).split(","):
        name = word.removeprefix("JobId=")
        # Holding and releasing say twice what was wrong, the other verbs once.
        twice = "\nslurm_suspend error: " if verb in {"hold", "uhold", "release"} else ""
        found = controller.visible([int(name)] if name.isdigit() else [])
        if not found:
            raise _Problem(f"{_NO_JOB} for job {name}" + (twice and twice + _NO_JOB))
        _permit_change(call, found[0], verb, twice)
        _JOB_ACTIONS[verb](controller, call, found[0])
    return ""


def _permit_change(call: Call, job: Job, verb: str, twice: str) -> None:
    if call.caller.privileged or (job.uid == call.caller.uid and verb not in {"suspend", "resume"}):
        return
    denied = "Invalid user id" if twice else _DENIED
    raise _Problem(f"{denied} for job {job.id}" + (twice and twice + denied))


def _suspend(controller: Controller, _: Call, job: Job) -> None:
    if job.state == "PENDING":
        raise _Problem(f"Job is pending execution for job {job.id}")
    if job.state != "RUNNING" or job.completing:
        raise _Problem(
            f"Job/step already completing or completed for job {job.id}" if job.finished else _not_running(job)
        )
    controller.suspend(job)


def _resume(controller: Controller, _: Call, job: Job) -> None:
    if job.state != "SUSPENDED":
        raise _Problem(_not_running(job))
    controller.resume(job)


def _not_running(job: Job) -> str:
    return (
        f"Requested operation is presently disabled for job {job.id}" if job.active else f"{_NO_JOB} for job {job.id}"
    )


def _hold(controller: Controller, call: Call, job: Job) -> None:
    controller.hold(job, call.caller)


def _release(controller: Controller, call: Call, job: Job) -> None:
    if job.held == "JobHeldAdmin" and not call.caller.privileged:
        raise _Problem(f"{_DENIED} for job {job.id}\nslurm_suspend error: {_DENIED}")
    controller.release(job)


def _requeue(controller: Controller, _: Call, job: Job) -> None:
    _check_requeue(job)
    controller.requeue(job)


def _requeue_hold(controller: Controller, _: Call, job: Job) -> None:
    _check_requeue(job)
    controller.requeue(job, hold=True)


def _check_requeue(job: Job) -> None:
    if not job.request.requeue:
        raise _Problem(f"Requested operation is presently disabled for job {job.id}")
    if job.state == "PENDING" or job.completing:
        raise _Problem(f"Job is pending execution for job {job.id}")


_JOB_ACTIONS: dict[str, Callable[[Controller, Call, Job], None]] = {
    "hold": _hold,
    "uhold": _hold,
    "release": _release,
    "requeue": _requeue,
    "requeuehold": _requeue_hold,
    "suspend": _suspend,
    "resume": _resume,
}


# --- update -----------------------------------------------------------------------------------------------------


def _update(controller: Controller, call: Call, words: list[str]) -> str:
    values = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise _Problem(f"Input line doesn't consist of key=value pairs: {word}")
        values[name.lower()] = value
    if "jobid" in values or "job" in values:
        _update_job(controller, call, values)
    elif "nodename" in values or "node" in values:
        _update_node(controller, call, values)
    elif "partitionname" in values or "partition" in values:
        _update_partition(controller, call, values)
    else:
        raise _Problem(
            'No valid entity in update command\nInput line must include "NodeName", "JobId" or "PartitionName"'
        )
    return ""


def _update_node(controller: Controller, call: Call, values: dict[str, str]) -> None:
    if not call.caller.privileged:
        raise _Problem("slurm_update error: Invalid user id")
    marks = {"DRAIN": "DRAIN", "DOWN": "DOWN", "FAIL": "DOWN", "RESUME": "", "IDLE": "", "UNDRAIN": ""}
    state = values.get("state", "").upper()
    if state not in marks:
        raise _Problem(f"Invalid input: State={values.get('state', '')}\nRequest aborted")
    if marks[state] and not values.get("reason"):
        raise _Problem("You must specify a reason when DOWNING or DRAINING a node. Request denied")
    for name in expand(values.get("nodename") or values.get("node") or ""):
        if name not in controller.nodes:
            raise _Problem("slurm_update error: Invalid node name specified")
        controller.mark_node(name, marks[state], values.get("reason", "").strip("\"'"), call.caller.name)


def _update_partition(controller: Controller, call: Call, values: dict[str, str]) -> None:
    if not call.caller.privileged:
        raise _Problem("slurm_update error: Invalid user id")
    name = values.get("partitionname") or values.get("partition") or ""
    if name not in controller.config.partitions:
        raise _Problem("slurm_update error: Invalid partition name specified")
    changes: dict[str, object] = {}
    if "state" in values:
        state = values["state"].upper()
        if state not in {"UP", "DOWN", "DRAIN", "INACTIVE"}:
            raise _Problem(
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
        raise _Problem("Invalid TimeLimit value") from error


def _update_job(controller: Controller, call: Call, values: dict[str, str]) -> None:
    job = _job(controller, values.get("jobid") or values.get("job") or "", "slurm_update error: ")
    if job.uid != call.caller.uid and not call.caller.privileged:
        raise _Problem(f"Invalid user id for job {job.id}")
    if job.finished:
        raise _Problem("slurm_update error: Job/step already completing or completed")
    if "timelimit" in values:
        _update_limit(controller, call, job, values["timelimit"])
    if values.get("partition", job.request.partition) not in controller.config.partitions:
        raise _Problem("slurm_update error: Invalid partition name specified")
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
        raise _Problem(f"{_DENIED} for job {job.id}")
    controller.change_limit(job, limit)


def _update_priority(controller: Controller, call: Call, job: Job, text: str) -> None:
    if not text.isdigit():
        raise _Problem(f"Invalid Priority value: {text}")
    job.priority = int(text)
    if job.priority == 0:
        controller.hold(job, call.caller)
